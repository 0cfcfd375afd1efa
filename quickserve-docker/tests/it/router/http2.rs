//! HTTP/2, from clients and to tasks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quickserve_core::orchestrator::TaskId;
use quickserve_core::traffic::{Role, TrafficRouter as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

use super::support::{
    Body, Router, Task, channel, empty, eventually, full, get, listener, piece, read_until, request, rest,
    route, route_h2, send,
};

/// A client with one HTTP/2 connection.
struct Client {
    sender: SendRequest<Body>,
    connection: JoinHandle<()>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the router takes connections");
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("a handshake");
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { sender, connection }
    }

    async fn send(&self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let mut sender = self.sender.clone();
        sender.ready().await?;
        sender.send_request(request).await
    }

    async fn get(&self, path: &str) -> String {
        let answer = self.send(asked(Method::GET, path, empty())).await.expect("an answer");
        assert_eq!(answer.version(), Version::HTTP_2);
        assert_eq!(answer.status(), 200);
        rest(answer.into_body()).await
    }
}

/// A request with a whole target, as HTTP/2 needs it.
fn asked(method: Method, path: &str, body: Body) -> Request<Body> {
    let uri = format!("http://shop.example{path}");
    Request::builder().method(method).uri(uri).body(body).expect("a request")
}

fn call(body: Body) -> Request<Body> {
    let mut call = asked(Method::POST, "/shop.Orders/Place", body);
    call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    call.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    call
}

fn trailers(name: &'static str, value: &'static str) -> HeaderMap {
    [(http::HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
}

/// A body with trailers.
fn with_trailers(text: &'static str, trailers: HeaderMap) -> Body {
    let frames = [Ok(Frame::data(Bytes::from_static(text.as_bytes()))), Ok(Frame::trailers(trailers))];
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

#[tokio::test]
async fn a_client_may_speak_http2_on_the_same_port() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let client = Client::connect(public).await;
    assert_eq!(client.get("/").await, "a");
    let mut question = asked(Method::GET, "/headers", empty());
    for part in ["a=1", "b=2"] {
        question.headers_mut().append("cookie", HeaderValue::from_static(part));
    }
    let answer = client.send(question).await.expect("an answer");
    let lines = rest(answer.into_body()).await;
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "cookie: a=1; b=2",
            "host: shop.example",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: shop.example",
            "x-forwarded-proto: http",
        ]
    );
    let echo = client.send(asked(Method::POST, "/echo", full("an order"))).await.expect("an answer");
    assert_eq!(rest(echo.into_body()).await, "an order");
}

#[tokio::test]
async fn a_preface_that_comes_in_crumbs_is_understood() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    for crumb in ["P", "RI", " * HTTP/2.0\r\n", "\r\nSM\r\n\r\n"] {
        stream.write_all(crumb.as_bytes()).await.expect("it is taken");
        tokio::task::yield_now().await;
    }
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("settings");
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.expect("settings");
    assert_eq!(head[3], 4, "{head:?}");
}

#[tokio::test]
async fn an_offer_to_upgrade_to_http2_is_ignored() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    let offer = "GET /headers HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
                 http2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    stream.write_all(offer.as_bytes()).await.expect("it is taken");
    let answer = read_until(&mut stream, "x-forwarded-proto: http").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("http2-settings"), "{answer}");
}

#[tokio::test]
async fn a_grpc_call_goes_to_its_task_over_http2_with_trailers_both_ways() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::custom_h2(|request| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.uri().to_string(), "http://shop.example/shop.Orders/Place");
        assert_eq!(request.headers()["te"], "trailers");
        let collected = request.into_body().collect().await.expect("a body");
        assert_eq!(collected.trailers().expect("trailers")["checksum"], "7");
        Response::new(with_trailers("placed", trailers("grpc-status", "0")))
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let client = Client::connect(public).await;
    for _ in 0..3 {
        let answer = client.send(call(with_trailers("an order", trailers("checksum", "7")))).await;
        let body = answer.expect("an answer").into_body().collect().await.expect("a body");
        assert_eq!(body.trailers().expect("trailers")["grpc-status"], "0");
        assert_eq!(body.to_bytes(), "placed");
    }
    assert_eq!(task.connections.load(SeqCst), 1);
    eventually("nothing is counted", || async {
        router.client().in_flight().await.expect("numbers").is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_call_without_a_body_in_its_answer_keeps_its_status() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::custom_h2(|_| async {
        let mut answer = Response::new(empty());
        answer.headers_mut().insert("grpc-status", HeaderValue::from_static("5"));
        answer
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let answer = Client::connect(public).await.send(call(full("a question"))).await.expect("an answer");
    assert_eq!(answer.headers()["grpc-status"], "5");
    assert_eq!(rest(answer.into_body()).await, "");
}

#[tokio::test]
async fn messages_of_a_call_pass_both_ways_as_they_are_sent() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task =
        Task::custom_h2(|request| async move { Response::new(Body::new(request.into_body().boxed())) }).await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let client = Client::connect(public).await;
    let (messages, body) = channel();
    let mut answer = client.send(call(body)).await.expect("an answer").into_body();
    for message in ["one", "two", "three"] {
        messages.send(message.into()).expect("the stream is open");
        assert_eq!(piece(&mut answer).await, message);
    }
    drop(messages);
    assert_eq!(rest(answer).await, "");
}

#[tokio::test]
async fn a_release_may_say_that_its_tasks_speak_http2() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start_h2("a").await;
    router.route([route_h2('a', Role::Serving(1), &[task.address])]).await;
    let seen = send(public, request(Method::POST, "/echo", full("an order"))).await;
    assert_eq!((seen.status.as_u16(), seen.body.as_str()), (200, "an order"));
    assert_eq!(Client::connect(public).await.get("/").await, "a");
    assert_eq!(task.connections.load(SeqCst), 1);
}

#[tokio::test]
async fn each_release_is_spoken_to_in_its_own_version() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (old, new) = (Task::start("old").await, Task::start_h2("new").await);
    router
        .route([
            route('a', Role::Serving(1), &[old.address]),
            route_h2('b', Role::Serving(1), &[new.address]),
        ])
        .await;
    let client = Client::connect(public).await;
    for _ in 0..20 {
        for seen in [get(public, "/").await.body, client.get("/").await] {
            assert!(seen == "old" || seen == "new", "{seen}");
        }
    }
    let (old, new) = (old.requests(), new.requests());
    assert!(old + new == 40 && old > 15 && new > 15, "{old} and {new}");
}

#[tokio::test]
async fn a_request_is_worded_anew_for_a_release_that_speaks_another_version() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (old, new) = (Task::start("old").await, Task::start_h2("new").await);
    // Nobody listens there any more.
    let gone = Task::start("gone").await.address;
    for (serving, standby, seen) in [
        (route('a', Role::Serving(1), &[gone]), route_h2('b', Role::Standby, &[new.address]), "new"),
        (route_h2('a', Role::Serving(1), &[gone]), route('b', Role::Standby, &[old.address]), "old"),
    ] {
        router.route([serving, standby]).await;
        assert_eq!(get(public, "/").await.body, seen);
        assert_eq!(Client::connect(public).await.get("/").await, seen);
    }
}

#[tokio::test]
async fn each_stream_counts_as_in_flight_until_it_ends() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let client = Arc::new(Client::connect(public).await);
    let mut waiting: Vec<_> = (0..3)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.get("/wait").await })
        })
        .collect();
    let id = TaskId(task.address.to_string());
    let count = async || {
        let numbers = router.client().in_flight().await.expect("numbers");
        numbers.get(&id).copied().unwrap_or_default()
    };
    eventually("three are counted", || async { count().await == 3 }).await;
    // A client that loses interest resets its stream.
    waiting.remove(0).abort();
    eventually("two are counted", || async { count().await == 2 }).await;
    task.gate.add_permits(2);
    for one in waiting {
        assert_eq!(one.await.expect("no panic"), "a");
    }
    eventually("none is counted", || async { count().await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_outlive_switches_and_none_fails() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let tasks = [Task::start("a").await, Task::start("b").await];
    router.route([route('a', Role::Serving(1), &[tasks[0].address])]).await;
    let done = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..10 {
        let done = Arc::clone(&done);
        connections.spawn(async move {
            let client = Arc::new(Client::connect(public).await);
            let mut streams = JoinSet::new();
            for _ in 0..20 {
                let (client, done) = (Arc::clone(&client), Arc::clone(&done));
                streams.spawn(async move {
                    for _ in 0..5 {
                        let body = asked(Method::POST, "/echo", full("an order"));
                        let answer = client.send(body).await.expect("an answer");
                        assert_eq!(answer.status(), 200);
                        assert_eq!(rest(answer.into_body()).await, "an order");
                        done.fetch_add(1, SeqCst);
                    }
                });
            }
            streams.join_all().await;
            assert!(!client.connection.is_finished(), "a switch has ended a connection");
            client
        });
    }
    let mut switches = 0;
    while done.load(SeqCst) < 1000 {
        let next = switches % 2;
        let digit = ['b', 'a'][next];
        router.route([route(digit, Role::Serving(1), &[tasks[1 - next].address])]).await;
        switches += 1;
        if let Some(Err(failed)) = connections.try_join_next() {
            panic!("a stream failed after {switches} switches: {failed}");
        }
    }
    connections.join_all().await;
    assert!(switches > 1, "{switches}");
}

#[tokio::test]
async fn new_streams_of_an_old_connection_go_to_the_new_release() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    router.route([route('a', Role::Serving(1), &[old.address])]).await;
    let client = Arc::new(Client::connect(public).await);
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.get("/wait").await }
    });
    eventually("it waits", || async { old.requests() == 1 }).await;
    router.route([route('b', Role::Serving(1), &[new.address])]).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await, "new");
    }
    old.gate.add_permits(1);
    assert_eq!(waiting.await.expect("no panic"), "old");
}

/// How a task treats the first of its connections.
#[derive(Clone, Copy)]
enum First {
    /// It refuses so many streams, over all connections.
    Refuses(u64),
    /// It says goodbye at once, and that it has processed nothing.
    Leaves,
}

/// A task that echoes calls after it was difficult.
async fn difficult(first: First) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    let seen = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        if matches!(first, First::Leaves) {
            let (stream, _) = listener.accept().await.expect("a connection");
            leave(stream).await;
            counted.fetch_add(1, SeqCst);
        }
        let refused = if let First::Refuses(count) = first { count } else { 0 };
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(echo_calls(stream, Arc::clone(&counted), refused));
        }
    });
    (address, seen)
}

async fn echo_calls(stream: TcpStream, seen: Arc<AtomicU64>, refused: u64) {
    let mut connection = h2::server::handshake(stream).await.expect("a handshake");
    while let Some(Ok((request, mut answer))) = connection.accept().await {
        if seen.fetch_add(1, SeqCst) < refused {
            answer.send_reset(h2::Reason::REFUSED_STREAM);
            continue;
        }
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut whole = Vec::new();
            while let Some(data) = body.data().await {
                let data = data.expect("data");
                let _ = body.flow_control().release_capacity(data.len());
                whole.extend_from_slice(&data);
            }
            let mut stream = answer.send_response(Response::new(()), false).expect("it is sent");
            stream.send_data(whole.into(), true).expect("it is sent");
        });
    }
}

/// Waits for a stream, and says goodbye with 0 as the last one that was processed.
async fn leave(mut stream: TcpStream) {
    const HEADERS: u8 = 1;
    const GOODBYE: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.expect("the preface");
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("settings");
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        stream.read_exact(&mut payload).await.expect("a frame");
        if head[3] == HEADERS {
            break;
        }
    }
    stream.write_all(&GOODBYE).await.expect("it is taken");
    // Until the router has understood.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn a_call_that_its_task_refused_is_sent_again_with_its_body() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (task, seen) = difficult(First::Refuses(1)).await;
    router.route([route('a', Role::Serving(1), &[task])]).await;
    let client = Client::connect(public).await;
    let answer = client.send(call(full("an order"))).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(rest(answer.into_body()).await, "an order");
    assert_eq!(seen.load(SeqCst), 2);
}

#[tokio::test]
async fn a_call_moves_to_a_new_connection_when_its_task_leaves_the_old_one() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (task, seen) = difficult(First::Leaves).await;
    router.route([route('a', Role::Serving(1), &[task])]).await;
    let answer = Client::connect(public).await.send(call(full("an order"))).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(rest(answer.into_body()).await, "an order");
    eventually("both were seen", || async { seen.load(SeqCst) == 2 }).await;
}

#[tokio::test]
async fn a_task_that_refuses_every_call_is_not_asked_for_ever() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let (task, seen) = difficult(First::Refuses(u64::MAX)).await;
    router.route([route('a', Role::Serving(1), &[task])]).await;
    let answer = Client::connect(public).await.send(call(full("an order"))).await.expect("an answer");
    assert_eq!(answer.status(), 502);
    assert_eq!(seen.load(SeqCst), 3);
}

#[tokio::test]
async fn a_call_is_not_sent_twice_when_its_task_may_have_processed_it() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start_h2("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let client = Client::connect(public).await;
    let mut waiting = call(full("an order"));
    *waiting.uri_mut() = "http://shop.example/wait".parse().expect("a target");
    let sent = tokio::spawn(async move { client.send(waiting).await });
    eventually("it waits", || async { task.requests() == 1 }).await;
    task.kill().await;
    let answer = sent.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), 502);
}

#[tokio::test]
async fn ending_the_router_says_goodbye_and_lets_streams_finish() {
    let mut router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let client = Arc::new(Client::connect(public).await);
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.get("/wait").await }
    });
    eventually("it waits", || async { task.requests() == 1 }).await;
    router.begin_stop();
    let refused = || async { client.send(asked(Method::GET, "/", empty())).await.is_err() };
    eventually("no new stream is taken", refused).await;
    assert!(!waiting.is_finished());
    task.gate.add_permits(1);
    assert_eq!(waiting.await.expect("no panic"), "a");
    let (_, ended) = router.stop().await;
    ended.expect("a graceful end");
}

#[tokio::test]
async fn a_client_that_sends_more_than_its_window_waits_for_the_task() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let reads = Arc::new(AtomicBool::new(false));
    let allowed = Arc::clone(&reads);
    let task = Task::custom(move |request| {
        let allowed = Arc::clone(&allowed);
        async move {
            while !allowed.load(SeqCst) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            Response::new(full(body.len().to_string()))
        }
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let client = Client::connect(public).await;
    let (upload, body) = channel();
    for _ in 0..64 {
        upload.send(vec![b'x'; 256 * 1024].into()).expect("an upload");
    }
    drop(upload);
    let sending = tokio::spawn(async move {
        let answer = client.send(asked(Method::POST, "/", body)).await.expect("an answer");
        rest(answer.into_body()).await
    });
    eventually("it began", || async { task.requests() == 1 }).await;
    reads.store(true, SeqCst);
    assert_eq!(sending.await.expect("no panic"), (64 * 256 * 1024).to_string());
}

#[tokio::test]
async fn an_idle_client_is_said_goodbye_to_and_one_at_work_is_not() {
    let router = Router::start().await;
    let public =
        router.listen_with(|options| options.limits.idle_timeout = Duration::from_millis(200)).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let client = Client::connect(public).await;
    let poll = client.send(asked(Method::GET, "/wait", empty()));
    let finish = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(!client.connection.is_finished(), "it waits for an answer");
        task.gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(poll, finish);
    assert_eq!(rest(answer.expect("an answer").into_body()).await, "a");
    let ended = tokio::time::timeout(Duration::from_secs(10), client.connection).await;
    ended.expect("it is closed").expect("in good order");
}
