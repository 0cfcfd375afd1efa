//! The cookie that keeps a client with a release.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use http::Request;
use quickserve_core::traffic::Role;

use super::support::{Client, Router, Seen, Task, empty, get, release, route, send};

const NAME: &str = "quickserve-storefront-local";

/// The release that an answer's cookie names.
fn named(seen: &Seen) -> Option<String> {
    let cookie = seen.headers.get("set-cookie")?.to_str().expect("text");
    let value = cookie.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('='));
    let (release, rest) = value.and_then(|value| value.split_once("; ")).expect("a value");
    assert_eq!(rest, "Path=/; HttpOnly; SameSite=Lax");
    Some(release.to_owned())
}

async fn with(public: SocketAddr, release: &str) -> Seen {
    let cookies = format!("session=1; {NAME}={release}");
    let asked = Request::get("/").header("host", "shop.example").header("cookie", cookies);
    send(public, asked.body(empty()).expect("a request")).await
}

#[tokio::test]
async fn a_client_stays_with_its_release_while_several_serve() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.sticky = true).await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    let both = [route('a', Role::Serving(1), &[old.address]), route('b', Role::Serving(1), &[new.address])];
    router.route(both).await;
    let mut releases = BTreeSet::new();
    for _ in 0..8 {
        let first = get(public, "/").await;
        let name = named(&first).expect("a cookie");
        for _ in 0..5 {
            let again = with(public, &name).await;
            assert_eq!((again.body, again.headers.contains_key("set-cookie")), (first.body.clone(), false));
        }
        releases.insert(name);
    }
    let expected = ['a', 'b'].map(|digit| release(digit).as_str().to_owned());
    assert_eq!(releases, BTreeSet::from(expected), "the weights hold for those that come anew");
}

#[tokio::test]
async fn a_promotion_ends_it() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.sticky = true).await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    let name = release('a');
    for role in [Role::Standby, Role::Preview] {
        router.route([route('a', role, &[old.address]), route('b', Role::Serving(1), &[new.address])]).await;
        let seen = with(public, name.as_str()).await;
        assert_eq!(seen.body, "new", "no cookie leads to a release that does not serve");
        assert!(!seen.headers.contains_key("set-cookie"), "with one release there is nothing to keep");
    }
    assert_eq!(with(public, "r-cccccccccccc").await.body, "new");
    assert_eq!(with(public, "nonsense").await.body, "new");
}

#[tokio::test]
async fn a_release_that_cannot_be_reached_gives_its_clients_to_another() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.sticky = true).await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    let both = [route('a', Role::Serving(9), &[old.address]), route('b', Role::Serving(1), &[new.address])];
    router.route(both).await;
    old.kill().await;
    let seen = with(public, release('a').as_str()).await;
    assert_eq!((seen.body.as_str(), named(&seen).as_deref()), ("new", Some(release('b').as_str())));
}

#[tokio::test]
async fn without_being_asked_for_there_is_no_cookie_and_none_counts() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    let both = [route('a', Role::Serving(1), &[old.address]), route('b', Role::Serving(1), &[new.address])];
    router.route(both).await;
    let mut client = Client::connect(public).await;
    assert!(!client.get("/").await.headers.contains_key("set-cookie"));
    let mut bodies = BTreeSet::new();
    for _ in 0..10 {
        bodies.insert(with(public, release('a').as_str()).await.body);
    }
    assert_eq!(bodies.len(), 2);
}
