//! Tasks that fail: who is preferred to them, for how long, and what is never done about it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use http::{Method, Response, StatusCode};
use quickserve_core::traffic::{Role, TrafficRouter as _};
use quickserve_docker::router::Check;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use super::support::{
    Client, Router, Task, empty, eventually, full, get, listener, release, request, route, route_h2, send,
};

/// A task that answers 500 while it is told to, on every path or on one.
async fn moody(path: Option<&'static str>) -> (Task, Arc<AtomicBool>) {
    let fails = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&fails);
    let task = Task::custom(move |request| {
        let fails = told.load(SeqCst) && path.is_none_or(|path| request.uri().path() == path);
        async move {
            let mut answer = Response::new(full("moody"));
            if fails {
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            answer
        }
    })
    .await;
    (task, fails)
}

async fn ailing(router: &Router) -> usize {
    router.control.status().await.expect("the status").services[0].ailing.len()
}

#[tokio::test]
async fn a_task_whose_answers_fail_is_left_alone_and_tried_again_ever_more_seldom() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.limits.eject_after = 3).await.public;
    let (failing, fails) = moody(None).await;
    let well = Task::start("well").await;
    router.route([route('a', Role::Serving(1), &[failing.address, well.address])]).await;
    let mut client = Client::connect(public).await;
    let start = Instant::now();
    let mut failed = 0;
    while start.elapsed() < Duration::from_secs(2) {
        failed += u64::from(client.get("/").await.status == 500);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // Three in a row, and one trial each after half a second and after one second more.
    assert!((4..=6).contains(&failed), "{failed}");
    assert_eq!(failed, failing.requests());
    assert_eq!(ailing(&router).await, 1);
    let counters = router.client().counters().await.expect("the counters")[&release('a')];
    assert_eq!(counters.server_errors, failed, "each is counted");

    fails.store(false, SeqCst);
    eventually("it is tried again and has its part again", || async {
        get(public, "/").await;
        ailing(&router).await == 0
    })
    .await;
    let before = failing.requests();
    for _ in 0..10 {
        client.get("/").await;
    }
    assert_eq!(failing.requests() - before, 5);
}

#[tokio::test]
async fn tasks_that_all_fail_all_get_requests_and_no_other_release_makes_up_for_them() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (first, _) = moody(None).await;
    let (second, _) = moody(None).await;
    let (other, standby) = (Task::start("other").await, Task::start("standby").await);
    router
        .route([
            route('a', Role::Serving(1), &[first.address, second.address]),
            route('b', Role::Serving(1), &[other.address]),
            route('c', Role::Standby, &[standby.address]),
        ])
        .await;
    let mut client = Client::connect(public).await;
    for _ in 0..200 {
        client.get("/").await;
    }
    let (first, second) = (first.requests(), second.requests());
    assert!((99..=101).contains(&(first + second)), "{first} {second}");
    assert!(first.min(second) > 30, "{first} {second}");
    assert_eq!(standby.requests(), 0);
    let counters = router.client().counters().await.expect("the counters");
    assert_eq!(counters[&release('a')].server_errors, first + second, "a release is judged by all of them");
}

#[tokio::test]
async fn a_task_that_says_it_is_not_well_gets_no_requests_until_it_does() {
    let router = Router::start().await;
    let public = router
        .listen_with(|options| {
            let mut check = Check::new(Duration::from_millis(20));
            check.path = Some("/health".to_owned());
            options.check = Some(check);
        })
        .await
        .public;
    let (moody, fails) = moody(Some("/health")).await;
    let well = Task::start("well").await;
    router.route([route('a', Role::Serving(1), &[moody.address, well.address])]).await;
    eventually("it is noticed", || async { ailing(&router).await == 1 }).await;
    for _ in 0..10 {
        assert_eq!(get(public, "/").await.body, "well");
    }
    fails.store(false, SeqCst);
    eventually("it is well again", || async { ailing(&router).await == 0 }).await;
    let bodies = [get(public, "/").await.body, get(public, "/").await.body];
    assert!(bodies.contains(&"moody".to_owned()), "{bodies:?}");

    // Nobody else is there: then one that is not well is better than nothing.
    router.route([route('a', Role::Serving(1), &[moody.address])]).await;
    fails.store(true, SeqCst);
    eventually("it is noticed", || async { ailing(&router).await == 1 }).await;
    assert_eq!(get(public, "/").await.body, "moody");
    // Whoever does not ask any more knows nothing of it.
    router.listen().await;
    eventually("it is forgotten", || async { ailing(&router).await == 0 }).await;
}

#[tokio::test]
async fn a_hung_task_is_found_by_asking_before_a_request_finds_it() {
    let router = Router::start().await;
    let public = router
        .listen_with(|options| {
            let mut check = Check::new(Duration::from_millis(20));
            check.path = Some("/health".to_owned());
            check.timeout = Duration::from_millis(100);
            check.unhealthy_threshold = 1;
            options.check = Some(check);
        })
        .await
        .public;
    let hung = Task::custom(|_| std::future::pending()).await;
    let well = Task::start("well").await;
    router.route([route('a', Role::Serving(1), &[hung.address, well.address])]).await;
    eventually("it is noticed", || async { ailing(&router).await == 1 }).await;
    for _ in 0..10 {
        assert_eq!(get(public, "/").await.body, "well");
    }
}

/// Tasks that take each request and close the connection, and how many they took together.
async fn dying(count: usize) -> (Vec<SocketAddr>, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let mut addresses = Vec::new();
    for _ in 0..count {
        let listener = listener().await;
        addresses.push(listener.local_addr().expect("an address"));
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let _ = stream.read(&mut [0; 4096]).await;
                taken.fetch_add(1, SeqCst);
            }
        });
    }
    (addresses, taken)
}

#[tokio::test]
async fn repeats_are_a_part_of_the_requests_and_not_a_multiple() {
    for (percent, most) in [(0, 0), (20, 40), (100, 400)] {
        let router = Router::start().await;
        let public = router.listen_with(|options| options.limits.retry_budget = percent).await.public;
        let (tasks, taken) = dying(4).await;
        router.route([route('a', Role::Serving(1), &tasks)]).await;
        let mut client = Client::connect(public).await;
        for _ in 0..200 {
            assert_eq!(client.get("/").await.status, 502);
        }
        let repeats = taken.load(SeqCst) - 200;
        assert!(repeats <= most, "{percent} %: {repeats}");
        assert!(repeats >= most / 2, "{percent} %: {repeats}");
        let counters = router.client().counters().await.expect("the counters")[&release('a')];
        assert_eq!((counters.requests, counters.unanswered, counters.retried), (200, 200, repeats));
    }
}

#[tokio::test]
async fn what_reached_no_task_costs_no_budget() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.limits.retry_budget = 0).await.public;
    let well = Task::start("well").await;
    let gone = super::support::nobody().await;
    router.route([route('a', Role::Serving(1), &[gone, well.address])]).await;
    for _ in 0..10 {
        assert_eq!(get(public, "/").await.body, "well");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_again_costs_no_budget() {
    for h2 in [false, true] {
        let router = Router::start().await;
        // 2 % of the 150 requests that are assumed: three repeats.
        let public = router.listen_with(|options| options.limits.retry_budget = 2).await.public;
        let start = async |name| if h2 { Task::start_h2(name).await } else { Task::start(name).await };
        let route = |digit, role, task: &Task| {
            if h2 { route_h2(digit, role, &[task.address]) } else { route(digit, role, &[task.address]) }
        };
        let well = start("well").await;
        well.gate.add_permits(1);
        for (digit, method) in
            [('a', Method::POST), ('b', Method::POST), ('c', Method::POST), ('d', Method::GET)]
        {
            let dies = start("dies").await;
            let standby = route('e', Role::Standby, &well);
            router.route([route(digit, Role::Serving(1), &dies), standby]).await;
            let may_be_repeated = method == Method::GET;
            let sent = tokio::spawn(send(public, request(method, "/wait", empty())));
            eventually("the task has it", || async { dies.requests() == 1 }).await;
            dies.kill().await;
            let status = if may_be_repeated { 200 } else { 502 };
            assert_eq!(sent.await.expect("no panic").status, status, "{digit}, HTTP/2: {h2}");
        }
        assert_eq!(well.requests(), 1);
    }
}
