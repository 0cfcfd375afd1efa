//! What happens to a request whose task is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use http::Method;
use quickserve_core::traffic::{Role, TrafficRouter as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{
    Client, Router, Task, channel, empty, eventually, full, get, listener, nobody, read_until, release,
    request, route, send,
};

/// A task that takes each connection, reads the head of a request and some of its body, and closes.
async fn dies_before_answering() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    let deaths = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&deaths);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = vec![0; 4096];
            let _ = stream.read(&mut head).await;
            counted.fetch_add(1, SeqCst);
        }
    });
    (address, deaths)
}

#[tokio::test]
async fn a_request_that_was_not_sent_goes_to_another_task_whatever_its_method() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let alive = Task::start("alive").await;
    router.route([route('a', Role::Serving(1), &[nobody().await, nobody().await, alive.address])]).await;
    for _ in 0..10 {
        let seen = send(public, request(Method::POST, "/echo", full("an order"))).await;
        assert_eq!((seen.status.as_u16(), seen.body.as_str()), (200, "an order"));
    }
    assert_eq!(alive.requests(), 10);
    let counters = router.client().counters().await.expect("the counters")[&release('a')];
    assert_eq!((counters.requests, counters.unanswered), (10, 0));
    assert!(counters.retried >= 1, "{counters:?}");
}

#[tokio::test]
async fn a_get_is_sent_again_when_its_task_dies_before_it_answers() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (dying, deaths) = dies_before_answering().await;
    let alive = Task::start("alive").await;
    router.route([route('a', Role::Serving(1), &[dying, alive.address])]).await;
    for _ in 0..4 {
        assert_eq!(get(public, "/").await.body, "alive");
    }
    assert!(deaths.load(SeqCst) >= 1);
}

#[tokio::test]
async fn a_request_that_may_have_had_its_effect_is_not_sent_again() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (dying, deaths) = dies_before_answering().await;
    let alive = Task::start("alive").await;
    router.route([route('a', Role::Serving(1), &[dying]), route('b', Role::Standby, &[alive.address])]).await;
    // Without a body, but with an effect.
    let seen = send(public, request(Method::POST, "/", empty())).await;
    assert_eq!(seen.status, 502);
    assert!(seen.body.contains("was not sent again"), "{}", seen.body);
    assert_eq!((deaths.load(SeqCst), alive.requests()), (1, 0));

    // An idempotent one whose body is on its way.
    router.route([route('c', Role::Serving(1), &[dying])]).await;
    let (body, upload) = channel();
    body.send("half of it".into()).expect("an upload");
    let seen = send(public, request(Method::PUT, "/", upload)).await;
    assert_eq!(seen.status, 502);
    assert_eq!((deaths.load(SeqCst), alive.requests()), (2, 0));
    let counters = router.client().counters().await.expect("the counters")[&release('c')];
    assert_eq!((counters.requests, counters.unanswered, counters.retried), (1, 1, 0));
}

#[tokio::test]
async fn one_that_kills_every_task_does_not_meet_all_of_them() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let mut tasks = Vec::new();
    let mut deaths = Vec::new();
    for _ in 0..6 {
        let (task, died) = dies_before_answering().await;
        tasks.push(task);
        deaths.push(died);
    }
    router.route([route('a', Role::Serving(1), &tasks)]).await;
    assert_eq!(get(public, "/").await.status, 502);
    assert_eq!(deaths.iter().map(|died| died.load(SeqCst)).sum::<u64>(), 3);
}

#[tokio::test]
async fn a_connection_that_the_task_closed_while_idle_costs_no_request() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    // It answers one request on each connection, promises to keep it, and closes it.
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = vec![0; 4096];
            if stream.read(&mut head).await.is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    });
    router.route([route('a', Role::Serving(1), &[address])]).await;
    let mut client = Client::connect(public).await;
    for _ in 0..20 {
        let seen = client.get("/").await;
        assert_eq!((seen.status.as_u16(), seen.body.as_str()), (200, "ok"));
        let seen = client.send(request(Method::POST, "/", full("an order"))).await.expect("an answer");
        assert_eq!(seen.status(), 200);
    }
    let counters = router.client().counters().await.expect("the counters")[&release('a')];
    assert_eq!((counters.requests, counters.unanswered, counters.retried), (40, 0, 0));
}

#[tokio::test]
async fn a_standing_by_release_answers_only_while_no_serving_task_can_be_reached() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (serving, standby) = (Task::start("serving").await, Task::start("standby").await);
    let address = serving.address;
    router
        .route([route('a', Role::Serving(1), &[address]), route('b', Role::Standby, &[standby.address])])
        .await;
    for _ in 0..10 {
        assert_eq!(get(public, "/").await.body, "serving");
    }
    serving.kill().await;
    for _ in 0..10 {
        assert_eq!(get(public, "/").await.body, "standby");
    }
    let listener = tokio::net::TcpListener::bind(address).await.expect("the same port");
    let _serving = Task::start_on("serving", listener);
    assert_eq!(get(public, "/").await.body, "serving");
}

#[tokio::test]
async fn without_any_task_that_can_be_reached_it_says_so() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    router
        .route([
            route('a', Role::Serving(1), &[nobody().await]),
            route('b', Role::Standby, &[nobody().await]),
        ])
        .await;
    let seen = get(public, "/").await;
    assert_eq!(seen.status, 502);
    assert_eq!(seen.body, "quickserve: no task of storefront/local can be reached\n");
    let counters = router.client().counters().await.expect("the counters");
    assert_eq!((counters[&release('a')].requests, counters[&release('a')].unanswered), (1, 1));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_off_for_the_client_too_and_counted() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    let (die, dead) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.expect("sent");
        let _ = dead.await;
    });
    router.route([route('a', Role::Serving(1), &[address])]).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    let seen = read_until(&mut stream, "half").await;
    assert!(seen.contains("content-length: 100") && seen.ends_with("\r\n\r\nhalf"), "{seen}");
    drop(die);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty(), "nothing is made up");
    let client = router.client();
    eventually("it is counted", || async {
        client.counters().await.expect("the counters")[&release('a')].unanswered == 1
    })
    .await;
    assert!(client.in_flight().await.expect("numbers").is_empty());
}
