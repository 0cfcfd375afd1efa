//! Switching between releases while requests flow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use quickserve_core::orchestrator::TaskId;
use quickserve_core::traffic::{Role, TrafficRouter as _};

use super::support::{Client, Router, Task, eventually, fence, get, release, route, split};

const CLIENTS: usize = 32;
const SWITCHES: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_switch_under_load_fails_no_request_and_reaches_every_request_after_it() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let tasks = [Task::start("0").await, Task::start("1").await];
    router.route([route('0', Role::Serving(1), &[tasks[0].address])]).await;

    // The number of the newest switch that has answered: what a request that starts now may expect.
    let switched = Arc::new(AtomicUsize::new(0));
    let begun = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (switched, begun, over) = (Arc::clone(&switched), Arc::clone(&begun), Arc::clone(&over));
            tokio::spawn(async move {
                let mut client = Client::connect(public).await;
                let mut sent = 0_u64;
                while !over.load(SeqCst) {
                    let before = switched.load(SeqCst);
                    let seen = client.try_get("/").await.expect("no request fails");
                    let after = begun.load(SeqCst);
                    assert_eq!(seen.status, 200);
                    let release: usize = seen.body.parse().expect("a release");
                    // Between the last switch that was over before and the last begun after, it may be either.
                    let allowed = (before..=after).any(|switch| switch % 2 == release);
                    assert!(allowed, "release {release} answered after switch {before}");
                    sent += 1;
                }
                sent
            })
        })
        .collect();

    for switch in 1..=SWITCHES {
        let seen = tasks[(switch + 1) % 2].requests();
        eventually("requests reach the serving task", || async {
            tasks[(switch + 1) % 2].requests() > seen + 20
        })
        .await;
        begun.store(switch, SeqCst);
        let task = &tasks[switch % 2];
        let digit = if switch % 2 == 0 { '0' } else { '1' };
        router.route([route(digit, Role::Serving(1), &[task.address])]).await;
        switched.store(switch, SeqCst);
    }
    over.store(true, SeqCst);
    let mut sent = 0;
    for client in clients {
        sent += client.await.expect("no client fails");
    }
    assert!(sent >= 20 * SWITCHES as u64);
    let counters = router.client().counters().await.expect("the counters");
    assert_eq!(counters.values().map(|counters| counters.requests).sum::<u64>(), sent);
    assert_eq!(
        counters.values().map(|counters| counters.unanswered + counters.server_errors).sum::<u64>(),
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn once_a_task_has_left_and_is_idle_it_gets_no_request_any_more() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let new = Task::start("new").await;
    let over = Arc::new(AtomicBool::new(false));
    let client = router.client();
    let mut old = Task::start("old").await;
    router.route([route('a', Role::Serving(1), &[old.address])]).await;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let over = Arc::clone(&over);
            tokio::spawn(async move {
                let mut client = Client::connect(public).await;
                while !over.load(SeqCst) {
                    assert_eq!(client.get("/").await.status, 200);
                }
            })
        })
        .collect();
    for _ in 0..20 {
        let before = old.requests();
        eventually("requests reach it", || async { old.requests() > before }).await;
        router.route([route('b', Role::Serving(1), &[new.address])]).await;
        let task = TaskId(old.address.to_string());
        eventually("it is drained", || async {
            !client.in_flight().await.expect("numbers").contains_key(&task)
        })
        .await;
        // From here on its owner may stop it, at once and without a word.
        old.kill().await;
        old = Task::start("old").await;
        router.route([route('a', Role::Serving(1), &[old.address])]).await;
    }
    over.store(true, SeqCst);
    for client in clients {
        client.await.expect("no request failed");
    }
    let unanswered: u64 =
        client.counters().await.expect("the counters").values().map(|counters| counters.unanswered).sum();
    assert_eq!(unanswered, 0);
}

#[tokio::test]
async fn weights_are_kept_within_one_percent() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (stable, canary) = (Task::start("stable").await, Task::start("canary").await);
    router
        .route([
            route('a', Role::Serving(95), &[stable.address]),
            route('b', Role::Serving(5), &[canary.address]),
        ])
        .await;
    let mut client = Client::connect(public).await;
    for _ in 0..1000 {
        client.get("/").await;
    }
    assert!((40..=60).contains(&canary.requests()), "{} of 1000 at 5 %", canary.requests());
    assert_eq!(stable.requests() + canary.requests(), 1000);
}

#[tokio::test]
async fn tasks_of_a_release_take_turns() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let tasks = [Task::start("0").await, Task::start("1").await, Task::start("2").await];
    let addresses: Vec<_> = tasks.iter().map(|task| task.address).collect();
    router.route([route('a', Role::Serving(1), &addresses)]).await;
    let mut client = Client::connect(public).await;
    for _ in 0..30 {
        client.get("/").await;
    }
    assert_eq!(tasks.each_ref().map(Task::requests), [10, 10, 10]);
    // A sequential client needs one connection to each of them.
    assert_eq!(tasks.each_ref().map(|task| task.connections.load(SeqCst)), [1, 1, 1]);
}

#[tokio::test]
async fn drain_numbers_count_what_a_departed_task_still_works_on() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    router.route([route('a', Role::Serving(1), &[old.address])]).await;
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(get(public, "/wait"))).collect();
    eventually("three are with the old task", || async { old.requests() == 3 }).await;

    router.route([route('b', Role::Serving(1), &[new.address])]).await;
    let client = router.client();
    let task = TaskId(old.address.to_string());
    assert_eq!(client.in_flight().await.expect("numbers").get(&task), Some(&3));
    assert_eq!(get(public, "/").await.body, "new");

    old.gate.add_permits(1);
    eventually("one has ended", || async {
        client.in_flight().await.expect("numbers").get(&task) == Some(&2)
    })
    .await;
    old.gate.add_permits(2);
    eventually("all have ended", || async { client.in_flight().await.expect("numbers").is_empty() }).await;
    for answer in waiting {
        assert_eq!(answer.await.expect("an answer").body, "old");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_task() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let waiting = tokio::spawn(get(public, "/wait"));
    let client = router.client();
    eventually("it is counted", || async { client.in_flight().await.expect("numbers").len() == 1 }).await;
    waiting.abort();
    eventually("it is not counted", || async { client.in_flight().await.expect("numbers").is_empty() }).await;
}

#[tokio::test]
async fn a_release_can_come_back() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (a, b) = (Task::start("a").await, Task::start("b").await);
    for _ in 0..3 {
        router.route([route('a', Role::Serving(1), &[a.address])]).await;
        assert_eq!(get(public, "/").await.body, "a");
        router.route([route('b', Role::Serving(1), &[b.address])]).await;
        assert_eq!(get(public, "/").await.body, "b");
    }
    let counters = router.client().counters().await.expect("the counters");
    assert_eq!(counters[&release('a')].requests, 3);
    assert_eq!(counters[&release('b')].requests, 3);
}

#[tokio::test]
async fn an_empty_split_answers_503_and_says_why() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let seen = get(public, "/").await;
    assert_eq!(seen.status, 503);
    assert_eq!(seen.headers["retry-after"], "1");
    assert_eq!(seen.body, "quickserve: no release of storefront/local serves\n");

    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    assert_eq!(get(public, "/").await.status, 200);
    let client = router.client();
    let (_, version) = client.split().await.expect("the split");
    client.set(&fence(1), version, &split([])).await.expect("an empty split");
    assert_eq!(get(public, "/").await.status, 503);
}
