//! A connection that has nothing to do for a moment, and one that only seems so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use http::{Method, Response};
use quickserve_core::traffic::Role;
use quickserve_docker::router::ListenSpec;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::support::{
    Client, Router, Task, channel, eventually, fence, full, listener, nobody, piece, read_until, request,
    rest, route, route_h2,
};

/// Longer than a connection is kept whole while it has nothing to do.
const MOMENT: Duration = Duration::from_millis(300);

async fn started() -> (Router, Task, SocketAddr) {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    (router, task, public)
}

#[tokio::test]
async fn a_connection_that_rested_answers_as_before() {
    let (router, task, public) = started().await;
    let mut client = Client::connect(public).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.body, "a");
        sleep(MOMENT).await;
    }
    assert_eq!(task.requests(), 3);
    let (_, ended) = router.stop().await;
    ended.expect("a graceful end");
    assert!(client.try_get("/").await.is_err(), "a connection that rests ends with the router");
}

#[tokio::test]
async fn a_head_that_comes_in_pieces_is_read_whole() {
    let (_router, task, public) = started().await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    for _ in 0..2 {
        for part in ["GE", "T /headers HTTP/1.1\r\nhost: a\r\nx-par", "t: 1\r\n", "\r\n"] {
            stream.write_all(part.as_bytes()).await.expect("sent");
            sleep(MOMENT).await;
        }
        let answer = read_until(&mut stream, "x-part: 1\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // One and a half at once.
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /head").await.expect("sent");
    sleep(MOMENT).await;
    stream.write_all(b"ers HTTP/1.1\r\nhost: a\r\nx-part: 2\r\n\r\n").await.expect("sent");
    read_until(&mut stream, "x-part: 2\n").await;
    assert_eq!(task.requests(), 4);
}

#[tokio::test]
async fn bodies_that_pause_are_not_cut() {
    let (_router, _task, public) = started().await;
    let mut client = Client::connect(public).await;
    let (sender, body) = channel();
    let answer = client.send(request(Method::POST, "/echo", body));
    let send = async {
        for part in ["one ", "two ", "three"] {
            sleep(MOMENT).await;
            sender.send(part.into()).expect("an open body");
        }
        sender
    };
    let (answer, sender) = tokio::join!(answer, send);
    let mut answer = answer.expect("an answer").into_body();
    let first = piece(&mut answer).await;
    sleep(MOMENT).await;
    drop(sender);
    assert_eq!(first + &rest(answer).await, "one two three");
    sleep(MOMENT).await;
    assert_eq!(client.get("/").await.body, "a");
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_the_end_and_a_request_is_waited_for() {
    let mut router = Router::start_with(|settings| settings.grace = Duration::from_hours(1)).await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut half = TcpStream::connect(public).await.expect("a connection");
    half.write_all(b"GET / HT").await.expect("sent");
    let mut whole = TcpStream::connect(public).await.expect("a connection");
    whole.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    eventually("it waits", || async { task.requests() == 1 }).await;
    sleep(MOMENT).await;
    router.begin_stop();
    let ended = timeout(Duration::from_secs(20), half.read_to_end(&mut Vec::new())).await;
    ended.expect("it is closed").expect("in good order");
    // Later than one that had nothing to do.
    sleep(2 * MOMENT).await;
    task.gate.add_permits(1);
    read_until(&mut whole, "\r\n\r\na").await;
    let (_, ended) = timeout(Duration::from_secs(20), router.stop()).await.expect("nothing is left");
    ended.expect("a graceful end");
}

#[tokio::test]
async fn the_rest_of_half_a_head_at_a_closing_door_is_never_a_request_of_its_own() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (paths, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let task = Task::custom(move |request| {
        paths.send(request.uri().path().to_owned()).expect("the test goes on");
        async { Response::new(full("a")) }
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    // One that was read a while ago, and one that has just come.
    let mut halves = Vec::new();
    for wait in [MOMENT, Duration::ZERO] {
        let mut half = TcpStream::connect(public).await.expect("a connection");
        half.write_all(b"GET / HTTP/1.1\r\nx-half: ").await.expect("sent");
        sleep(wait).await;
        halves.push(half);
    }
    let elsewhere = ListenSpec::new(nobody().await);
    router.client().configure(&fence(1), &elsewhere).await.expect("the door is closed");
    for half in &mut halves {
        // Twice: what may be the end of the request that was begun is the last one of its connection.
        for _ in 0..2 {
            let _ = half.write_all(b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n").await;
            sleep(MOMENT).await;
        }
        let closed = timeout(Duration::from_secs(20), half.read_to_end(&mut Vec::new())).await;
        let _ = closed.expect("it is closed");
    }
    drop(task);
    drop(router);
    while let Some(path) = seen.recv().await {
        assert_eq!(path, "/");
    }
}

#[tokio::test]
async fn an_upload_goes_on_after_its_answer() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    // One that answers at once, and reads on.
    let task = Task::custom(|request| async {
        tokio::spawn(rest(request.into_body()));
        Response::new(full("early"))
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    upload_after_the_answer(public).await;
    assert_eq!(task.requests(), 2);
}

#[tokio::test]
async fn an_upload_that_was_sent_again_goes_on_after_its_answer() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (task, requests) = refuses_first().await;
    router.route([route_h2('a', Role::Serving(1), &[task])]).await;
    upload_after_the_answer(public).await;
    assert_eq!(requests.load(SeqCst), 3);
}

/// A task that refuses the first request, and then answers each at once and reads on.
async fn refuses_first() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    let requests = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(stream).await.expect("a handshake");
        while let Some(Ok((request, mut answer))) = connection.accept().await {
            if counted.fetch_add(1, SeqCst) == 0 {
                answer.send_reset(h2::Reason::REFUSED_STREAM);
                continue;
            }
            let mut sent = answer.send_response(Response::new(()), false).expect("it is sent");
            sent.send_data("early".into(), true).expect("it is sent");
            tokio::spawn(async move {
                let mut body = request.into_body();
                while let Some(data) = body.data().await {
                    let _ = body.flow_control().release_capacity(data.expect("data").len());
                }
            });
        }
    });
    (address, requests)
}

/// Uploads something, most of it after the answer, and then asks for more over the same connection.
async fn upload_after_the_answer(public: SocketAddr) {
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\r\n0123456789";
    stream.write_all(head.as_bytes()).await.expect("sent");
    read_until(&mut stream, "early").await;
    // What looks like a request is a part of the body.
    for part in ["GET / HTTP", "/1.1\r\n\r\nab", "0123456789"] {
        sleep(MOMENT).await;
        stream.write_all(part.as_bytes()).await.expect("sent");
    }
    sleep(MOMENT).await;
    let nothing = stream.try_read(&mut [0; 64]).expect_err("no answer to a part of a body");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    read_until(&mut stream, "early").await;
}

#[tokio::test]
async fn an_answer_waits_for_a_client_that_does_not_read() {
    const SIZE: usize = 32 * 1024 * 1024;
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::custom(|_| async { Response::new(full(vec![b'x'; SIZE])) }).await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.expect("sent");
    sleep(2 * MOMENT).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("no failure");
    assert!(answer.len() > SIZE, "{} bytes", answer.len());
}
