//! What a journal says of a bucket that does not let it, and what its requests are like.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use quickserve_aws::journal;
use quickserve_core::clock::SystemClock;
use quickserve_core::journal::{AbortKind, Act, DeploymentId, Event, Journal, Opened, Owner};
use quickserve_core::plan::{DeploymentConfig, Goal, Purpose};
use quickserve_core::service::ServiceKey;
use quickserve_core::{Error, ErrorKind};
use tokio::net::TcpListener;

use crate::support::clients;

pub(crate) fn opened(nonce: &str) -> Opened {
    Opened {
        deployment: DeploymentId("d-20261129-1".to_owned()),
        act: Act::Down,
        owner: Owner { nonce: nonce.to_owned(), who: format!("{nonce}@runner"), process: None },
        needs: "0.1.0".to_owned(),
        goal: Goal::Nothing,
        purpose: Purpose::Restore,
        release: None,
        fallback: None,
        config: DeploymentConfig::default(),
    }
}

pub(crate) fn abort(by: &str) -> Event {
    Event::AbortRequested { by: by.to_owned(), how: AbortKind::Asked }
}

/// The heads of the requests that a server got.
type Heads = Arc<Mutex<Vec<http::request::Parts>>>;

/// A server with one answer for all requests but those that list, which find nothing, and those that read.
async fn server(status: u16, headers: &'static [(&str, &str)], body: &'static str) -> (u16, Heads) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heads = Heads::default();
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = seen.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let head = request.into_parts().0;
                let mut answer = Response::builder().status(status);
                for (name, value) in headers {
                    answer = answer.header(*name, *value);
                }
                let answer = answer.body(Full::new(Bytes::from(body))).expect("an answer");
                seen.lock().expect("no test panicked meanwhile").push(head);
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    (port, heads)
}

async fn read(port: u16) -> Error {
    let place = "s3://acme-deploy/journal".parse().expect("a place");
    let store = journal::store(&clients(port, "key"), &place, Arc::new(SystemClock)).expect("a store");
    let key = ServiceKey::new("shop", "production").expect("a key");
    Journal::read(store, &key, Arc::new(SystemClock), "ada").await.expect_err("an error")
}

fn told(error: &Error) -> String {
    format!("{}\nhint: {}", error.causes().join("\ncaused by: "), error.hint().unwrap_or("none"))
}

#[tokio::test]
async fn a_missing_right_is_told_with_its_action() {
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let (port, _) = server(403, &[], denied).await;
    let error = read(port).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(!error.is_temporary());
    insta::assert_snapshot!(told(&error));
}

#[tokio::test]
async fn a_bucket_of_another_region_is_told_with_its_region() {
    let moved = "<Error><Code>PermanentRedirect</Code><Message>address it elsewhere</Message></Error>";
    let (port, _) = server(301, &[("x-amz-bucket-region", "eu-west-1")], moved).await;
    let error = read(port).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    insta::assert_snapshot!(told(&error));
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_again_and_its_error_is_temporary() {
    let (port, heads) = server(503, &[], "").await;
    let error = read(port).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_temporary());
    assert_eq!(heads.lock().expect("no test panicked meanwhile").len(), 3);
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_temporary_too() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let error = read(port).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_temporary());
}

#[tokio::test]
async fn a_request_is_signed_for_the_bucket_and_shows_no_secret() {
    let (port, heads) = server(403, &[], "").await;
    let error = read(port).await;
    let heads = heads.lock().expect("no test panicked meanwhile");
    let head = &heads[0];
    assert!(head.uri.path().starts_with("/acme-deploy"), "{}", head.uri);
    assert_eq!(head.headers["host"], format!("127.0.0.1:{port}"));
    let signature = head.headers["authorization"].to_str().expect("text");
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{signature}");
    assert!(signature.contains("/us-east-1/s3/aws4_request"), "{signature}");
    assert!(head.headers["user-agent"].to_str().expect("text").starts_with("quickserve/"));
    assert!(!format!("{error:?}").contains("Signature="));
}
