//! Which request gets which answer.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::sleep;

use crate::app::App;
use crate::body::{self, Body};
use crate::{events, health, websocket};

/// The longest that `/slow` and the pause between two events may be asked for.
const LONGEST: Duration = Duration::from_mins(10);

/// Answers one request.
pub(crate) async fn answer(app: Arc<App>, request: Request<Incoming>) -> Response<Body> {
    let _counted = app.enter();
    let mut response = match interfere(&app, request.uri().path()).await {
        Some(fault) => fault,
        None => route(&app, request).await,
    };
    if app.drain.is_draining() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Lets the switches delay or spoil an answer. Errors spare what a platform asks, which has its own switches.
async fn interfere(app: &App, path: &str) -> Option<Response<Body>> {
    if matches!(path, "/health" | "/ready") {
        pause(app.switches.health_latency).await;
        return None;
    }
    pause(app.switches.latency).await;
    app.failing
        .next()
        .then(|| body::error(StatusCode::INTERNAL_SERVER_ERROR, "STOREFRONT_FAIL_ERROR_PERCENT is on"))
}

async fn route(app: &Arc<App>, request: Request<Incoming>) -> Response<Body> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/echo" if request.method() == Method::POST => echo(request),
        "/echo" => body::not_allowed("POST"),
        "/ws" if request.method() == Method::GET => websocket::upgrade(app, request),
        "/ws" => body::not_allowed("GET"),
        "/" | "/health" | "/ready" | "/version" | "/slow" | "/events" | "/sse" if !reads => {
            body::not_allowed("GET, HEAD")
        }
        "/" => home(app),
        "/health" => health::health(app).await,
        "/ready" => health::ready(app).await,
        "/version" => body::json(StatusCode::OK, &app.identity.to_json()),
        "/slow" => match milliseconds(query, "ms", Duration::from_secs(1)) {
            Some(duration) => slow(duration).await,
            None => out_of_range("ms"),
        },
        "/events" | "/sse" => match milliseconds(query, "interval_ms", Duration::from_secs(1)) {
            Some(every) if !every.is_zero() => events::events(Arc::clone(app), every),
            _ => out_of_range("interval_ms"),
        },
        _ => body::error(StatusCode::NOT_FOUND, "not found"),
    }
}

fn home(app: &App) -> Response<Body> {
    let (version, release) = (escape(&app.identity.version), escape(&app.identity.release));
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<title>storefront {version}</title>\n\
         <h1>storefront</h1>\n<p>version {version}, release {release}</p>\n</html>\n"
    );
    body::whole(StatusCode::OK, "text/html; charset=utf-8", page)
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let binary = HeaderValue::from_static("application/octet-stream");
    let content_type = request.headers().get(CONTENT_TYPE).cloned().unwrap_or(binary);
    body::pass_on(content_type, request.into_body())
}

async fn slow(duration: Duration) -> Response<Body> {
    pause(duration).await;
    body::whole(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        format!("answered after {} ms\n", duration.as_millis()),
    )
}

/// A timer costs a millisecond even when asked for none.
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}

fn out_of_range(name: &str) -> Response<Body> {
    let message = format!("{name} must be a whole number of milliseconds, at most {}", LONGEST.as_millis());
    body::error(StatusCode::BAD_REQUEST, &message)
}

/// A query's number, or the default if it has none; nothing if it is no number or too large.
fn milliseconds(query: &str, name: &str, default: Duration) -> Option<Duration> {
    let value = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
    let Some((_, value)) = value else { return Some(default) };
    value.parse().ok().map(Duration::from_millis).filter(|duration| *duration <= LONGEST)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_querys_milliseconds_have_a_default_and_a_limit() {
        let default = Duration::from_secs(1);
        let parsed = |query| milliseconds(query, "ms", default);
        assert_eq!(parsed(""), Some(default));
        assert_eq!(parsed("other=2"), Some(default));
        assert_eq!(parsed("a=1&ms=25"), Some(Duration::from_millis(25)));
        assert_eq!(parsed("ms=x"), None);
        assert_eq!(parsed("ms=600001"), None);
    }

    #[test]
    fn a_version_cannot_bring_markup_into_the_page() {
        assert_eq!(escape("<b>&"), "&lt;b&gt;&amp;");
    }
}
