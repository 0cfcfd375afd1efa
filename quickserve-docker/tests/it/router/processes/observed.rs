//! What is counted and written down, while workers come and go.

use std::sync::atomic::Ordering::SeqCst;

use quickserve_core::traffic::Role;
use quickserve_docker::router::ListenSpec;
use rustix::process::{Signal, kill_process};

use super::super::metrics::{of, scrape};
use super::super::sharing::{any, ask};
use super::super::support::{Client, Task, eventually, fence, get, key, nobody, route};
use super::support::{LINGER, Load, Processes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_forgotten_by_an_upgrade_and_the_metrics_outlive_a_death() {
    let router = Processes::start().await;
    let port = nobody().await.port();
    let public = router
        .listen_with(|options| {
            options.metrics_port = Some(port);
            options.access_log = true;
        })
        .await
        .public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let load = Load::start(public, 8);
    load.flows(300).await;
    for _ in 0..2 {
        router.upgrade(LINGER).await.expect("an upgrade");
        load.flows(300).await;
    }
    let seen = load.end().await;
    let answers = seen.answers.load(SeqCst);
    assert_eq!(seen.failures.load(SeqCst), 0);

    eventually("the workers of before have ended", || async { router.followers().await == 0 }).await;
    let samples = scrape(port).await;
    for family in ["quickserve_requests_total", "quickserve_request_duration_seconds_count"] {
        assert_eq!(samples[&of(family, 'a')], answers.to_string(), "{family}");
    }
    assert_eq!(samples["quickserve_access_log_dropped_total"], "0");
    let log = router.control.access_log();
    let written = || std::fs::read_to_string(&log).expect("the log").lines().count() as u64;
    eventually("each is written", || async { written() == answers }).await;

    kill_process(router.worker().await, Signal::KILL).expect("killed");
    get(public, "/").await;
    eventually("the metrics are back", || async {
        let Ok(stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { return false };
        drop(stream);
        scrape(port).await["quickserve_router_worker_deaths_total"] == "1"
    })
    .await;
}

#[tokio::test]
async fn requests_that_are_nobodys_are_counted_through_an_upgrade() {
    let router = Processes::start().await;
    let port = nobody().await.port();
    let mut spec = ListenSpec::new(any());
    spec.rule.hosts = vec!["shop.test".parse().expect("a host")];
    spec.options.metrics_port = Some(port);
    let shop = router.control.service(key());
    let public = shop.configure(&fence(1), &spec).await.expect("it listens").public;
    let counted = async || scrape(port).await["quickserve_unrouted_requests_total"].clone();
    let mut kept = Client::connect(public).await;
    assert_eq!(ask(&mut kept, "lost.test", "/").await.0, 404);
    assert_eq!(counted().await, "1");
    router.upgrade(LINGER).await.expect("an upgrade");
    assert_eq!(ask(&mut Client::connect(public).await, "lost.test", "/").await.0, 404);
    // It goes to the worker of before, which is not the one to ask any more.
    assert_eq!(ask(&mut kept, "lost.test", "/").await.0, 421);
    assert_eq!(counted().await, "3");
    drop(kept);
    eventually("the worker of before has ended", || async { router.followers().await == 0 }).await;
    assert_eq!(counted().await, "3");
    // What an ended one had counted is handed over as well.
    router.upgrade(LINGER).await.expect("an upgrade");
    eventually("the worker of before has ended", || async { router.followers().await == 0 }).await;
    assert_eq!(counted().await, "3");
}
