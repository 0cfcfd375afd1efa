//! What the router answers itself: a status and one sentence of plain text.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use super::body::Download;

/// An answer of the router's own. The sentence says what a person in front of a terminal wants to know.
pub(super) fn plain(status: StatusCode, sentence: &str) -> Response<Download> {
    let words = Bytes::from(format!("quickserve: {sentence}\n"));
    let mut answer = Response::new(Download::Own(Some(words)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}
