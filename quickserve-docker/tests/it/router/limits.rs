//! What clients and tasks may take.

use std::time::Duration;

use http::Method;
use quickserve_core::traffic::Role;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{
    Client, Router, Task, channel, empty, eventually, piece, read_until, request, rest, route,
};

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "x".repeat(70_000)), "431"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x-many: 1\r\n".repeat(200)), "431"),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(17_000)), "414"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "x".repeat(30_000)), "200"),
    ] {
        let mut stream = TcpStream::connect(public).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    assert_eq!(task.requests(), 1);
}

#[tokio::test]
async fn a_connection_too_many_is_answered_at_once_and_its_place_comes_free() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.limits.connections = 2).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut kept = Client::connect(public).await;
    assert_eq!(kept.get("/").await.body, "a");
    let second = TcpStream::connect(public).await.expect("a connection");
    let mut third = TcpStream::connect(public).await.expect("a connection");
    let answer = read_until(&mut third, "open already\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    assert_eq!(third.read(&mut [0]).await.expect("the end"), 0);
    assert_eq!(kept.get("/").await.body, "a");
    drop(second);
    eventually("there is a place", || async {
        Client::connect(public).await.try_get("/").await.is_ok_and(|seen| seen.status == 200)
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_makes_no_progress_is_given_up() {
    let router = Router::start().await;
    let public =
        router.listen_with(|options| options.limits.upload_pause = Duration::from_millis(100)).await.public;
    let task = Task::custom(|request| async move {
        let body = http_body_util::BodyExt::collect(request.into_body()).await;
        http::Response::new(super::support::full(format!("{}", body.is_ok())))
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await.expect("sent");
    let answer = read_until(&mut stream, "too long\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_task_that_hangs_is_given_up_and_one_that_streams_is_not() {
    let router = Router::start().await;
    let public =
        router.listen_with(|options| options.limits.answer_timeout = Duration::from_millis(100)).await.public;
    let (events, body) = channel();
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let task = Task::custom(move |request| {
        let body = body.lock().expect("the body").take_if(|_| request.uri().path() == "/events");
        async move {
            match body {
                Some(body) => http::Response::new(body),
                None => std::future::pending().await,
            }
        }
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut client = Client::connect(public).await;
    for _ in 0..2 {
        let seen = client.get("/hangs").await;
        assert_eq!(seen.status, 504, "{}", seen.body);
    }
    let answer = client.send(request(Method::GET, "/events", empty())).await.expect("an answer");
    let mut answer = answer.into_body();
    for event in ["one", "two"] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        events.send(event.into()).expect("the stream is open");
        assert_eq!(piece(&mut answer).await, event);
    }
    drop(events);
    assert_eq!(rest(answer).await, "");
}

#[tokio::test]
async fn a_task_may_take_its_time_where_no_limit_is_asked_for() {
    let router = Router::start().await;
    let public = router
        .listen_with(|options| {
            options.limits.answer_timeout = Duration::ZERO;
            options.limits.upload_pause = Duration::from_millis(50);
        })
        .await
        .public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut client = Client::connect(public).await;
    let poll = tokio::spawn(async move { client.get("/wait").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!poll.is_finished());
    task.gate.add_permits(1);
    assert_eq!(poll.await.expect("an answer").body, "a");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_at_work_is_not() {
    let router = Router::start().await;
    let public =
        router.listen_with(|options| options.limits.idle_timeout = Duration::from_millis(200)).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    // One that never says a word, one that said half of one, and one that has been answered.
    for said in ["", "GET / HTTP/1.1\r\nhost: a\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut stream = TcpStream::connect(public).await.expect("a connection");
        stream.write_all(said.as_bytes()).await.expect("sent");
        let mut seen = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut seen)).await;
        ended.expect("it is closed").expect("in good order");
        assert_eq!(seen.is_empty(), !said.ends_with("\r\n\r\n"), "{said}");
    }
    let mut client = Client::connect(public).await;
    let poll = tokio::spawn(async move { client.get("/wait").await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    task.gate.add_permits(1);
    assert_eq!(poll.await.expect("an answer").body, "a");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_given_up() {
    let router = Router::start().await;
    let public =
        router.listen_with(|options| options.limits.download_pause = Duration::from_millis(500)).await.public;
    let task =
        Task::custom(|_| async { http::Response::new(super::support::full(vec![b'x'; 32 * 1024 * 1024])) })
            .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    let client = router.client();
    let at_work = || async {
        let counts = quickserve_core::traffic::TrafficRouter::in_flight(&client).await.expect("numbers");
        counts.values().sum::<u64>()
    };
    eventually("it is being answered", || async { at_work().await == 1 }).await;
    eventually("it is given up", || async { at_work().await == 0 }).await;
    drop(stream);
}
