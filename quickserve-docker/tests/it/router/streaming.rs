//! Bodies and tunnels that last.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Response};
use http_body_util::BodyExt as _;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::traffic::{Role, TrafficRouter as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::support::{
    Client, Router, Task, channel, empty, eventually, full, get, listener, piece, read_until, request, rest,
    route,
};

#[tokio::test]
async fn events_arrive_as_they_are_sent() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (events, body) = channel();
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let task = Task::custom(move |_| {
        let body = body.lock().expect("the body").take().unwrap_or_else(empty);
        async move { Response::new(body) }
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut client = Client::connect(public).await;
    let mut answer = client.send(request(Method::GET, "/", empty())).await.expect("an answer").into_body();
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        events.send(event.into()).expect("the stream is open");
        assert_eq!(piece(&mut answer).await, event);
    }
    drop(events);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn an_upload_streams_and_so_does_its_echo() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut client = Client::connect(public).await;
    let (upload, body) = channel();
    upload.send("one".into()).expect("an upload");
    let mut echo = client.send(request(Method::POST, "/echo", body)).await.expect("an answer").into_body();
    assert_eq!(piece(&mut echo).await, "one");
    for part in ["two", "three"] {
        upload.send(part.into()).expect("an upload");
        assert_eq!(piece(&mut echo).await, part);
    }
    let client = router.client();
    let task = TaskId(task.address.to_string());
    assert_eq!(client.in_flight().await.expect("numbers").get(&task), Some(&1));
    drop(upload);
    assert_eq!(rest(echo).await, "");
    eventually("it is not counted", || async { client.in_flight().await.expect("numbers").is_empty() }).await;
}

#[tokio::test]
async fn a_large_upload_arrives_whole_and_in_order() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let sent: Vec<u8> = (0..8_000_000_u32).map(|n| b'a' + u8::try_from(n % 23).expect("a letter")).collect();
    let mut client = Client::connect(public).await;
    for _ in 0..2 {
        let answer =
            client.send(request(Method::POST, "/echo", full(sent.clone()))).await.expect("an answer");
        assert_eq!(answer.headers()["content-length"], "8000000");
        let echo = answer.into_body().collect().await.expect("the echo").to_bytes();
        assert!(echo == sent);
    }
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let seen = read_until(&mut stream, "\r\n\r\n").await;
    assert!(seen.starts_with("HTTP/1.1 100 Continue"), "{seen}");
    stream.write_all(b"hello").await.expect("sent");
    let seen = read_until(&mut stream, "hello").await;
    assert!(seen.contains("HTTP/1.1 200 OK"), "{seen}");
}

#[tokio::test]
async fn a_body_without_a_length_is_chunked_and_its_trailers_pass() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let seen = read_until(&mut stream, "\r\n\r\n").await;
        assert!(seen.to_lowercase().contains("te: trailers"), "{seen}");
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.expect("sent");
        let _ = read_until(&mut stream, "never").await;
    });
    router.route([route('a', Role::Serving(1), &[address])]).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n").await.expect("sent");
    let seen = read_until(&mut stream, "0\r\nx-sum: 7\r\n\r\n").await;
    assert!(seen.contains("transfer-encoding: chunked\r\n"), "{seen}");
}

/// A task that echoes WebSocket messages.
async fn echo() -> std::net::SocketAddr {
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_websocket_outlives_a_switch_and_counts_until_it_closes() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (old, new) = (echo().await, Task::start("new").await);
    router.route([route('a', Role::Serving(1), &[old])]).await;
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{public}/chat")).await.expect("an upgrade");
    let say = async |socket: &mut tokio_tungstenite::WebSocketStream<_>, word: &str| {
        socket.send(Message::text(word)).await.expect("sent");
        assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text(word));
    };
    say(&mut socket, "before").await;

    router.route([route('b', Role::Serving(1), &[new.address])]).await;
    say(&mut socket, "after").await;
    assert_eq!(get(public, "/").await.body, "new");
    let client = router.client();
    assert_eq!(client.in_flight().await.expect("numbers").get(&TaskId(old.to_string())), Some(&1));

    socket.close(None).await.expect("closed");
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    drop(socket);
    eventually("it is not counted", || async { client.in_flight().await.expect("numbers").is_empty() }).await;
}

/// The code with which a WebSocket is closed.
async fn closed_with(
    socket: &mut tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>,
) -> u16 {
    loop {
        let message = socket.next().await.expect("a last message").expect("no failure");
        if let Message::Close(Some(frame)) = message {
            return frame.code.into();
        }
    }
}

#[tokio::test]
async fn a_websocket_is_closed_properly_when_its_task_is_stopped() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut socket = tokio_tungstenite::accept_async(stream).await.expect("an upgrade");
        socket.send(Message::text("hello")).await.expect("sent");
        // It ends without a word, as one that is killed.
    });
    router.route([route('a', Role::Serving(1), &[address])]).await;
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{public}/chat")).await.expect("an upgrade");
    assert_eq!(closed_with(&mut socket).await, 1001);
    drop(socket);
    let client = router.client();
    eventually("it is not counted", || async { client.in_flight().await.expect("numbers").is_empty() }).await;
}

#[tokio::test]
async fn a_websocket_is_closed_properly_when_the_router_ends() {
    let mut router = Router::start_with(|settings| settings.grace = Duration::from_millis(50)).await;
    let public = router.listen().await.public;
    router.route([route('a', Role::Serving(1), &[echo().await])]).await;
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{public}/chat")).await.expect("an upgrade");
    router.begin_stop();
    assert_eq!(closed_with(&mut socket).await, 1001);
}

#[tokio::test]
async fn an_upgrade_that_the_task_declines_is_an_answer_like_any_other() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("plain").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut upgrade = request(Method::GET, "/", empty());
    upgrade.headers_mut().insert("connection", "Upgrade".parse().expect("a value"));
    upgrade.headers_mut().insert("upgrade", "websocket".parse().expect("a value"));
    let mut client = Client::connect(public).await;
    let answer = client.send(upgrade).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(rest(answer.into_body()).await, "plain");
    let client = router.client();
    eventually("it is not counted", || async { client.in_flight().await.expect("numbers").is_empty() }).await;
}

#[tokio::test]
async fn a_router_that_ends_lets_requests_in_flight_finish() {
    let mut router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let waiting = tokio::spawn(get(public, "/wait"));
    eventually("it waits", || async { task.requests() == 1 }).await;
    router.begin_stop();
    eventually("it takes no new connections", || async { TcpStream::connect(public).await.is_err() }).await;
    task.gate.add_permits(1);
    assert_eq!(waiting.await.expect("an answer").body, "a");
    let (_, ended) = router.stop().await;
    ended.expect("a graceful end");
}

#[tokio::test]
async fn a_slow_reader_holds_up_the_task_and_loses_nothing() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::custom(|_| async { Response::new(full(vec![b'x'; 4_000_000])) }).await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut client = Client::connect(public).await;
    let mut body = client.send(request(Method::GET, "/", empty())).await.expect("an answer").into_body();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        seen += frame.expect("a piece").into_data().map_or(0, |data| data.len());
        if seen < 200_000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(seen, 4_000_000);
}
