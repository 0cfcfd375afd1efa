//! What the router answers itself: a status and one sentence of plain text.

use http::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER};
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, StatusCode};

use super::body::Download;

/// An answer of the router's own. The sentence says what a person in front of a terminal wants to know.
pub(super) fn plain(status: StatusCode, sentence: &str) -> Response<Download> {
    let mut answer = Response::new(Download::own(format!("quickserve: {sentence}\n")));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// Says that no service behind this address has the host and the path of a request. A process that is about to end
/// does not know the services that came after it: over another connection there may be one (RFC 9110, 15.5.20).
pub(super) fn nobody(leaving: bool) -> Response<Download> {
    let status = if leaving { StatusCode::MISDIRECTED_REQUEST } else { StatusCode::NOT_FOUND };
    tracing::debug!(%status, "a request is for no service of its address");
    plain(status, "no service of this address has that host and path")
}

/// Sends a client that came without TLS to where it is spoken.
pub(super) fn over_tls<B>(request: &Request<B>, port: u16) -> Response<Download> {
    let mut answer = plain(StatusCode::PERMANENT_REDIRECT, "this port speaks https");
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host: Option<Authority> = host.and_then(|host| host.parse().ok());
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let target = host.map(|host| format!("https://{}:{port}{path}", host.host()));
    match target.and_then(|target| HeaderValue::try_from(target).ok()) {
        Some(target) => {
            answer.headers_mut().insert(LOCATION, target);
        }
        None => *answer.status_mut() = StatusCode::BAD_REQUEST,
    }
    answer
}
