//! Reaching a release before it serves.

use http::Method;
use quickserve_core::traffic::Role;
use quickserve_docker::router::ListenSpec;

use super::support::{Router, Seen, Task, empty, fence, get, release, request, route, send};

async fn ask_for(address: std::net::SocketAddr, name: &str) -> Seen {
    let mut asked = request(Method::GET, "/", empty());
    asked.headers_mut().insert("quickserve-release", name.parse().expect("a value"));
    send(address, asked).await
}

#[tokio::test]
async fn a_staged_release_is_reached_by_header_and_by_port_alone() {
    let router = Router::start().await;
    let listening = router.listen().await;
    let preview = listening.preview.expect("a preview port");
    assert!(preview.ip().is_loopback());
    let seen = get(preview, "/").await;
    assert_eq!(seen.status, 503);
    assert_eq!(seen.body, "quickserve: no release of storefront/local is being previewed\n");

    let (serving, staged) = (Task::start("serving").await, Task::start("staged").await);
    router
        .route([
            route('a', Role::Serving(1), &[serving.address]),
            route('b', Role::Preview, &[staged.address]),
        ])
        .await;
    assert_eq!(get(listening.public, "/").await.body, "serving");
    assert_eq!(get(preview, "/").await.body, "staged");
    let staged = release('b');
    assert_eq!(ask_for(listening.public, staged.as_str()).await.body, "staged");
    assert_eq!(ask_for(listening.public, staged.short()).await.body, "staged");
    assert_eq!(ask_for(listening.public, release('a').short()).await.body, "serving");

    let seen = ask_for(listening.public, "r-cccccc").await;
    assert_eq!(seen.status, 404);
    assert_eq!(
        seen.body,
        "quickserve: storefront/local has no such release here (it has: r-aaaaaaaaaaaa, r-bbbbbbbbbbbb)\n"
    );
}

#[tokio::test]
async fn strangers_choose_no_release_unless_they_may() {
    let router = Router::start().await;
    let (serving, staged) = (Task::start("serving").await, Task::start("staged").await);
    router
        .route([
            route('a', Role::Serving(1), &[serving.address]),
            route('b', Role::Preview, &[staged.address]),
        ])
        .await;
    let client = router.client();
    let mut spec = ListenSpec::new("0.0.0.0:0".parse().expect("an address"));
    for (allowed, answers) in [(None, "serving"), (Some(true), "staged"), (Some(false), "serving")] {
        spec.preview_by_header = allowed;
        let port = client.configure(&fence(1), &spec).await.expect("it listens").public.port();
        let public = ([127, 0, 0, 1], port).into();
        assert_eq!(ask_for(public, release('b').as_str()).await.body, answers);
    }
}

#[tokio::test]
async fn a_previewed_release_that_is_down_is_not_replaced_by_another() {
    let router = Router::start().await;
    let listening = router.listen().await;
    let serving = Task::start("serving").await;
    router
        .route([
            route('a', Role::Serving(1), &[serving.address]),
            route('b', Role::Preview, &[super::support::nobody().await]),
        ])
        .await;
    assert_eq!(get(listening.preview.expect("a preview port"), "/").await.status, 502);
    assert_eq!(ask_for(listening.public, release('b').as_str()).await.status, 502);
    assert_eq!(serving.requests(), 0);
}
