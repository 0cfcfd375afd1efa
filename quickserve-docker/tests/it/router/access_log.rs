//! The access log: what stands in it, and what never does.

use std::path::Path;

use http::{Method, Request};
use quickserve_core::traffic::Role;
use quickserve_docker::router::ListenSpec;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::{
    Client, Router, Task, channel, empty, eventually, fence, full, get, named, nobody, piece, read_until,
    release, request, route, send,
};

/// The lines, once there are so many.
async fn lines(dir: &Path, count: usize) -> Vec<Value> {
    let read = || -> Vec<Value> {
        let text = std::fs::read_to_string(dir.join("access.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    eventually("the lines are there", || async { read().len() >= count }).await;
    let lines = read();
    assert_eq!(lines.len(), count, "{lines:?}");
    lines
}

#[tokio::test]
async fn a_request_is_a_line_that_says_who_answered_and_no_secret() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.access_log = true).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[nobody().await, task.address])]).await;
    let asked = Request::builder()
        .method(Method::POST)
        .uri("/echo?token=secret-1")
        .header("host", "shop.example")
        .header("authorization", "secret-2")
        .body(full("secret-3"))
        .expect("a request");
    assert_eq!(send(public, asked).await.body, "secret-3");
    assert_eq!(get(public, "/500").await.status, 500);
    let lines = lines(&router.dir, 2).await;
    let line = &lines[0];
    for (field, value) in [
        ("service", Value::from("storefront/local")),
        ("method", "POST".into()),
        ("host", "shop.example".into()),
        ("path", "/echo".into()),
        ("protocol", "HTTP/1.1".into()),
        ("status", 200.into()),
        ("release", release('a').as_str().into()),
        ("task", task.address.to_string().into()),
        ("bytes", 8.into()),
        ("complete", true.into()),
    ] {
        assert_eq!(line[field], value, "{field} {line}");
    }
    assert!(line["time"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()), "{line}");
    assert!(line["duration"].as_f64().is_some_and(|duration| duration > 0.0), "{line}");
    // The task that is not there was asked first by one of them.
    assert_eq!(lines.iter().filter_map(|line| line["retries"].as_u64()).sum::<u64>(), 1, "{lines:?}");
    assert_eq!(lines[1]["status"], 500);
    let text = std::fs::read_to_string(router.dir.join("access.log")).expect("the log");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn nothing_is_written_unless_it_is_asked_for() {
    let router = Router::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    assert_eq!(get(public, "/").await.body, "a");
    let (folder, ended) = router.stop().await;
    ended.expect("a graceful end");
    assert!(!folder.path().join("router/access.log").exists());
}

#[tokio::test]
async fn answers_of_the_routers_own_and_clients_that_leave_are_lines_too() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.access_log = true).await.public;
    assert_eq!(get(public, "/none").await.status, 503);
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
    let answer = client.send(request(Method::GET, "/events", empty())).await.expect("an answer");
    events.send("half".into()).expect("the stream is open");
    let mut body = answer.into_body();
    assert_eq!(piece(&mut body).await, "half");
    drop((client, body));
    // Whoever leaves is noticed when there is more to say.
    eventually("it is noticed", || async {
        let _ = events.send("more".into());
        std::fs::read_to_string(router.dir.join("access.log")).is_ok_and(|text| text.lines().count() == 2)
    })
    .await;

    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream.write_all(b"GET /hangs HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    eventually("it has it", || async { task.requests() == 2 }).await;
    drop(stream);

    let lines = lines(&router.dir, 3).await;
    assert_eq!((&lines[0]["status"], &lines[0]["task"]), (&503.into(), &Value::Null), "{}", lines[0]);
    assert_eq!((&lines[0]["complete"], &lines[0]["path"]), (&true.into(), &"/none".into()), "{}", lines[0]);
    assert_eq!((&lines[1]["status"], &lines[1]["complete"]), (&200.into(), &false.into()), "{}", lines[1]);
    assert!(lines[1]["bytes"].as_u64() >= Some(4), "{}", lines[1]);
    assert_eq!((&lines[2]["status"], &lines[2]["complete"]), (&Value::Null, &false.into()), "{}", lines[2]);
    assert_eq!(lines[2]["task"], task.address.to_string());
}

#[tokio::test]
async fn a_graceful_end_leaves_no_line_behind() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.access_log = true).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let mut client = Client::connect(public).await;
    for _ in 0..500 {
        assert_eq!(client.get("/").await.status, 200);
    }
    drop(client);
    let (folder, ended) = router.stop().await;
    ended.expect("a graceful end");
    assert_eq!(lines(&folder.path().join("router"), 500).await.len(), 500);
}

#[tokio::test]
async fn a_path_that_is_no_text_is_still_one_line() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.access_log = true).await.public;
    let mut stream = TcpStream::connect(public).await.expect("a connection");
    stream
        .write_all(b"GET /\"x\\n%0a\xc3\xa4 HTTP/1.1\r\nhost: \"a\"\r\nconnection: close\r\n\r\n")
        .await
        .expect("sent");
    read_until(&mut stream, "\r\n\r\n").await;
    let lines = lines(&router.dir, 1).await;
    assert!(lines[0]["path"].as_str().is_some_and(|path| path.starts_with("/\"x\\n%0a")), "{}", lines[0]);
}

#[tokio::test]
async fn a_request_that_is_nobodys_is_a_line_where_one_of_the_address_asks_for_that() {
    let router = Router::start().await;
    let mut spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
    for (service, access_log) in [("quiet", false), ("shop", true)] {
        spec.rule.hosts = vec![format!("{service}.test").parse().expect("a host")];
        spec.options.access_log = access_log;
        let service = router.control.service(named(service));
        spec.public = service.configure(&fence(1), &spec).await.expect("it listens").public;
        assert_eq!(get(spec.public, "/lost?token=secret").await.status, 404);
    }
    let lines = lines(&router.dir, 1).await;
    for (field, value) in [
        ("service", Value::Null),
        ("host", "shop.example".into()),
        ("path", "/lost".into()),
        ("status", 404.into()),
        ("release", Value::Null),
        ("complete", true.into()),
    ] {
        assert_eq!(lines[0][field], value, "{field} {}", lines[0]);
    }
}
