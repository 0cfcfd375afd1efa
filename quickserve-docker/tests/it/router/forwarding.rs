//! What a task sees of a request, and a client of an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use http::{Method, Response};
use quickserve_core::traffic::{Role, TrafficRouter as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::{Client, Router, Task, empty, full, get, read_until, release, request, route};

async fn serving(task: &Task) -> (Router, std::net::SocketAddr) {
    let router = Router::start().await;
    let public = router.listen().await.public;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    (router, public)
}

#[tokio::test]
async fn fields_for_one_hop_stay_behind_and_the_client_is_named() {
    let task = Task::start("a").await;
    let (_router, public) = serving(&task).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    let head = "GET /headers HTTP/1.1\r\nHost: shop.example\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
                Keep-Alive: 5\r\nProxy-Authorization: x\r\nTE: gzip\r\nX-Forwarded-For: 10.1.1.1\r\n\
                X-Kept: yes\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let seen = read_until(&mut stream, "x-kept").await;
    let (answer, fields) = seen.split_once("\r\n\r\n").expect("a head");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    let mut fields: Vec<&str> = fields.lines().collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "host: shop.example",
            "x-forwarded-for: 10.1.1.1, 127.0.0.1",
            "x-forwarded-host: shop.example",
            "x-forwarded-proto: http",
            "x-kept: yes",
        ]
    );
}

#[tokio::test]
async fn answers_keep_their_fields_but_for_those_of_one_hop() {
    let task = Task::custom(|_| async {
        let answer = Response::builder()
            .status(201)
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("keep-alive", "timeout=7")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("server", "mine");
        answer.body(full("made")).expect("an answer")
    })
    .await;
    let (_router, public) = serving(&task).await;
    let mut client = Client::connect(public).await;
    for _ in 0..3 {
        let seen = client.get("/").await;
        assert_eq!((seen.status.as_u16(), seen.body.as_str()), (201, "made"));
        assert_eq!(seen.headers["server"], "mine");
        assert_eq!(seen.headers.get_all("set-cookie").iter().count(), 2);
        for gone in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
            assert!(!seen.headers.contains_key(gone), "{gone}");
        }
    }
    assert_eq!(task.connections.load(SeqCst), 1);
}

#[tokio::test]
async fn a_head_request_keeps_the_length_of_what_it_stands_for() {
    let task = Task::start("twelve bytes").await;
    let (router, public) = serving(&task).await;
    let mut client = Client::connect(public).await;
    for _ in 0..3 {
        let answer = client.send(request(Method::HEAD, "/", empty())).await.expect("an answer");
        assert_eq!(answer.headers()["content-length"], "12");
    }
    assert_eq!(task.connections.load(SeqCst), 1);
    assert!(router.client().in_flight().await.expect("numbers").is_empty());
}

#[tokio::test]
async fn an_old_client_without_a_host_is_served() {
    let task = Task::start("a").await;
    let (_router, public) = serving(&task).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream.write_all(b"GET /headers HTTP/1.0\r\n\r\n").await.expect("sent");
    let seen = read_until(&mut stream, "x-forwarded-proto: http").await;
    assert!(seen.starts_with("HTTP/1.0 200 OK"), "{seen}");
    assert!(seen.contains(&format!("host: {public}")), "{seen}");
}

#[tokio::test]
async fn a_length_that_contradicts_the_encoding_is_not_passed_on() {
    let task = Task::start("a").await;
    let (_router, public) = serving(&task).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    let smuggled = "POST /headers HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
                    0\r\n\r\n";
    stream.write_all(smuggled.as_bytes()).await.expect("sent");
    let seen = read_until(&mut stream, "\r\n\r\n").await;
    let fields = seen.split_once("\r\n\r\n").expect("a head").1;
    assert!(!fields.contains("content-length"), "{seen}");
}

#[tokio::test]
async fn what_is_no_request_of_ours_is_refused() {
    let task = Task::start("a").await;
    let (_router, public) = serving(&task).await;
    for (asked, answered) in [
        ("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n", "405"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let mut stream = TcpStream::connect(public).await.expect("a connection");
        stream.write_all(asked.as_bytes()).await.expect("sent");
        let seen = read_until(&mut stream, "\r\n").await;
        assert!(seen.starts_with(&format!("HTTP/1.1 {answered}")), "{asked}: {seen}");
    }
    assert_eq!(task.requests(), 0);
    assert_eq!(get(public, "/").await.status, 200);
}

#[tokio::test]
async fn the_target_passes_unchanged_and_an_absolute_one_names_the_host() {
    let task = Task::custom(|request| async move {
        let host = request.headers()["host"].to_str().expect("text").to_owned();
        Response::new(full(format!("{} {host}", request.uri())))
    })
    .await;
    let (_router, public) = serving(&task).await;
    let mut client = Client::connect(public).await;
    for target in ["/a%2Fb?c=d&e=%20", "/", "//twice", "*"] {
        let method = if target == "*" { Method::OPTIONS } else { Method::GET };
        let answer = client.send(request(method, target, empty())).await.expect("an answer");
        assert_eq!(super::support::rest(answer.into_body()).await, format!("{target} shop.example"));
    }
    assert_eq!(client.get("http://other.example:81/x?y").await.body, "/x?y other.example:81");
}

#[tokio::test]
async fn answers_are_counted_by_release_and_kind() {
    let task = Task::start("a").await;
    let (router, public) = serving(&task).await;
    let mut client = Client::connect(public).await;
    for path in ["/", "/500", "/500", "/"] {
        client.get(path).await;
    }
    let counters = router.client().counters().await.expect("the counters")[&release('a')];
    assert_eq!((counters.requests, counters.server_errors), (4, 2));
    assert_eq!((counters.unanswered, counters.retried), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_share_few_connections() {
    let task = Arc::new(Task::start("a").await);
    let (router, public) = serving(&task).await;
    let clients: Vec<_> = (0..16)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = Client::connect(public).await;
                for _ in 0..100 {
                    assert_eq!(client.get("/").await.body, "a");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no request fails");
    }
    assert_eq!(task.requests(), 1600);
    assert!(task.connections.load(SeqCst) <= 16, "{}", task.connections.load(SeqCst));
    assert!(router.client().in_flight().await.expect("numbers").is_empty());
}
