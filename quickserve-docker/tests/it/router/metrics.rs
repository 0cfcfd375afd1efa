//! What the router counts, as Prometheus reads it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use quickserve_core::ErrorKind;
use quickserve_core::traffic::{Role, TrafficRouter as _};
use quickserve_docker::router::ListenSpec;

use super::support::{Client, Router, Task, fence, get, named, nobody, release, route, split};

/// The samples of a text, by name and labels. Whatever is no sample, no comment and out of its family fails.
pub(super) async fn scrape(port: u16) -> BTreeMap<String, String> {
    let seen = get(SocketAddr::from(([127, 0, 0, 1], port)), "/metrics").await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let mut families: Vec<&str> = Vec::new();
    let mut samples = BTreeMap::new();
    for line in seen.body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            if words.next() == Some("TYPE") {
                let name = words.next().expect("a name");
                assert!(!families.contains(&name), "{name} comes twice");
                families.push(name);
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a value");
        let family = families.last().expect("a family");
        assert!(name.starts_with(family), "{name} in {family}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let before = samples.insert(name.to_owned(), value.to_owned());
        assert!(before.is_none(), "{name} comes twice");
    }
    samples
}

/// A listener of somebody else, once the router has let go of the port.
async fn taken(port: u16) -> std::net::TcpListener {
    let stranger = std::sync::Mutex::new(None);
    super::support::eventually("the port is free", || async {
        let taken = std::net::TcpListener::bind(("127.0.0.1", port)).ok();
        taken.map(|listener| *stranger.lock().expect("no panic") = Some(listener)).is_some()
    })
    .await;
    stranger.into_inner().expect("no panic").expect("a listener")
}

pub(super) fn of(family: &str, digit: char) -> String {
    format!("{family}{{service=\"storefront\",environment=\"local\",release=\"{}\"}}", release(digit))
}

#[tokio::test]
async fn releases_are_counted_and_their_latency_is_shown() {
    let router = Router::start().await;
    let port = nobody().await.port();
    let public = router.listen_with(|options| options.metrics_port = Some(port)).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(3), &[task.address])]).await;
    let mut client = Client::connect(public).await;
    for _ in 0..9 {
        client.get("/").await;
    }
    client.get("/500").await;
    let seen = scrape(port).await;
    for (family, value) in [
        ("quickserve_requests_total", "10"),
        ("quickserve_server_errors_total", "1"),
        ("quickserve_unanswered_total", "0"),
        ("quickserve_retries_total", "0"),
        ("quickserve_request_duration_seconds_count", "10"),
        ("quickserve_release_weight", "3"),
    ] {
        assert_eq!(seen[&of(family, 'a')], value, "{family} {seen:?}");
    }
    let bucket = of("quickserve_request_duration_seconds_bucket", 'a').replace('}', ",le=\"+Inf\"}");
    assert_eq!(seen[&bucket], "10");
    assert_eq!(seen["quickserve_router_connections"], "1");
    let sum: f64 = seen[&of("quickserve_request_duration_seconds_sum", 'a')].parse().expect("a number");
    assert!(sum > 0.0 && sum < 10.0, "{sum}");
    assert_eq!(get(SocketAddr::from(([127, 0, 0, 1], port)), "/").await.status, 404);

    // What is in flight is told of its task.
    let mut waiting = Client::connect(public).await;
    let waits = tokio::spawn(async move { waiting.get("/wait").await.body });
    let in_flight = format!(
        "quickserve_requests_in_flight{{service=\"storefront\",environment=\"local\",task=\"{}\"}}",
        task.address
    );
    super::support::eventually("it is in flight", || async {
        scrape(port).await.get(&in_flight).is_some_and(|count| count == "1")
    })
    .await;
    task.gate.add_permits(1);
    assert_eq!(waits.await.expect("an answer"), "a");
}

#[tokio::test]
async fn a_wait_that_ends_in_a_failure_counts_as_long_as_it_was() {
    let router = Router::start().await;
    let port = nobody().await.port();
    let limit = std::time::Duration::from_millis(300);
    let public = router
        .listen_with(|options| {
            options.metrics_port = Some(port);
            options.limits.answer_timeout = limit;
        })
        .await
        .public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    assert_eq!(get(public, "/wait").await.status, 504);
    let counters = router.client().counters().await.expect("the counters")[&release('a')];
    assert_eq!((counters.requests, counters.unanswered, counters.latency.count()), (1, 1, 1));
    assert!(counters.latency.total() >= limit, "{counters:?}");
}

#[tokio::test]
async fn a_port_that_is_lost_is_in_the_way_of_no_service() {
    let router = Router::start().await;
    let port = nobody().await.port();
    let mut spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
    let mut shown = spec.clone();
    shown.options.metrics_port = Some(port);
    router.control.service(named("api")).configure(&fence(1), &shown).await.expect("it listens");
    let kept = router.kill().await;
    let stranger = taken(port).await;
    let router = Router::start_in(kept, "router").await;
    let configure =
        async |name, spec: &ListenSpec| router.control.service(named(name)).configure(&fence(1), spec).await;
    configure("web", &spec).await.expect("it asks for no metrics");
    shown.options.sticky = true;
    configure("api", &shown).await.expect("it has asked for this port before");
    spec.options.metrics_port = Some(port);
    assert_eq!(configure("web", &spec).await.expect_err("it is taken").kind(), ErrorKind::Conflict);
    drop(stranger);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    super::support::eventually("it is shown again", || async move {
        tokio::net::TcpStream::connect(address).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn services_share_a_port_and_the_last_one_closes_it() {
    let router = Router::start().await;
    let port = nobody().await.port();
    let client = |name| router.control.service(named(name));
    let mut spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
    spec.options.metrics_port = Some(port);
    let task = Task::start("a").await;
    for name in ["api", "web"] {
        client(name).configure(&fence(1), &spec).await.expect("it listens");
        let (_, version) = client(name).split().await.expect("the split");
        let split = split([route('a', Role::Serving(1), &[task.address])]);
        client(name).set(&fence(1), version, &split).await.expect("the split is set");
    }
    let weights = |seen: BTreeMap<String, String>| {
        seen.keys().filter(|name| name.starts_with("quickserve_release_weight")).count()
    };
    assert_eq!(weights(scrape(port).await), 2);
    // One that does not ask for it any more is not shown.
    spec.options.metrics_port = None;
    client("api").configure(&fence(1), &spec).await.expect("it listens");
    assert_eq!(weights(scrape(port).await), 1);
    client("web").remove(&fence(1)).await.expect("it is removed");
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err(), "it is closed");
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_and_nothing_changes() {
    let router = Router::start().await;
    let stranger = super::support::listener().await;
    let mut spec = ListenSpec::new(nobody().await);
    spec.options.metrics_port = Some(stranger.local_addr().expect("an address").port());
    let error = router.client().configure(&fence(1), &spec).await.expect_err("it is taken");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(tokio::net::TcpStream::connect(spec.public).await.is_err(), "nothing is open");
    let status = router.control.status().await.expect("the status");
    assert!(status.services.iter().all(|service| service.listening.is_none()), "{status:?}");
}

#[tokio::test]
async fn a_router_that_comes_back_goes_on_counting() {
    let router = Router::start().await;
    let port = nobody().await.port();
    let public = router.listen_with(|options| options.metrics_port = Some(port)).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    for _ in 0..3 {
        get(public, "/").await;
    }
    let (folder, ended) = router.stop().await;
    ended.expect("a graceful end");
    let _router = Router::start_in(Arc::clone(&folder), "router").await;
    let seen = scrape(port).await;
    assert_eq!(seen[&of("quickserve_requests_total", 'a')], "3");
    assert_eq!(seen[&of("quickserve_request_duration_seconds_count", 'a')], "3");
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_keeps_no_service_from_its_clients() {
    let router = Router::start().await;
    let port = nobody().await.port();
    let public = router.listen_with(|options| options.metrics_port = Some(port)).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let folder = router.kill().await;
    let stranger = taken(port).await;
    let router = Router::start_in(folder, "router").await;
    assert_eq!(get(public, "/").await.body, "a");
    let status = router.control.status().await.expect("the status");
    assert_eq!(status.services[0].trouble, None);
    drop(stranger);
    super::support::eventually("the metrics are back", || async {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await;
    scrape(port).await;
}
