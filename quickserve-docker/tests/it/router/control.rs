//! The control socket: owners, versions, ports.

use std::os::unix::fs::PermissionsExt as _;

use quickserve_core::ErrorKind;
use quickserve_core::fence::Epoch;
use quickserve_core::traffic::{Role, Split, SplitVersion, TrafficRouter as _};
use quickserve_docker::router::{ListenSpec, RouterControl};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::support::{Router, Task, eventually, fence, get, key, listener, named, nobody, route, split};

#[tokio::test]
async fn an_owner_that_was_taken_over_is_refused() {
    let router = Router::start().await;
    let client = router.client();
    let to = |task| split([route('a', Role::Serving(1), &[task])]);
    let (first, second) = (nobody().await, nobody().await);
    let version = client.set(&fence(3), SplitVersion::default(), &to(first)).await.expect("set");
    client.raise(&fence(7)).await.expect("raised");
    client.raise(&fence(7)).await.expect("raised again");

    let stale = fence(6);
    let spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
    for refused in [
        client.set(&stale, version, &to(second)).await.err(),
        client.set(&stale, version, &to(first)).await.err(),
        client.raise(&stale).await.err(),
        client.remove(&stale).await.err(),
        client.configure(&stale, &spec).await.err(),
    ] {
        let refused = refused.expect("it is refused");
        assert_eq!(refused.kind(), ErrorKind::Fenced);
        assert_eq!(refused.to_string(), "storefront/local has a newer owner (epoch 7, ours is 6)");
    }
    assert_eq!(client.split().await.expect("the split"), (to(first), version));
    // The newer owner is not hindered.
    client.set(&fence(7), version, &to(second)).await.expect("set");
}

#[tokio::test]
async fn a_removed_service_does_not_let_an_older_owner_back_in() {
    let router = Router::start().await;
    let client = router.client();
    client.remove(&fence(1)).await.expect("one that it does not know");
    let before = client.set(&fence(3), SplitVersion::default(), &split([])).await.expect("set");
    let to = split([route('a', Role::Serving(1), &[nobody().await])]);
    let version = client.set(&fence(3), before, &to).await.expect("set");
    client.remove(&fence(4)).await.expect("removed");
    client.remove(&fence(4)).await.expect("removed again");
    assert!(router.control.status().await.expect("the status").services.is_empty());
    let (empty, removed) = client.split().await.expect("the split");
    assert_eq!(empty, Split::default());
    assert_ne!(removed, version);
    let refused = client.set(&fence(3), removed, &to).await.expect_err("it is refused");
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    client.set(&fence(5), removed, &to).await.expect("a new owner starts again");
}

#[tokio::test]
async fn a_split_that_was_changed_meanwhile_is_not_overwritten() {
    let router = Router::start().await;
    let client = router.client();
    let (a, b) = (nobody().await, nobody().await);
    let first = split([route('a', Role::Serving(1), &[a])]);
    let second = split([route('b', Role::Serving(1), &[b])]);
    let one = client.set(&fence(1), SplitVersion::default(), &first).await.expect("set");
    let two = client.set(&fence(1), one, &second).await.expect("set");
    assert_ne!(one, two);
    let refused = client.set(&fence(1), one, &first).await.expect_err("it is refused");
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    // Our own call whose answer was lost, repeated.
    assert_eq!(client.set(&fence(1), one, &second).await.expect("it is so already"), two);
    assert_eq!(client.split().await.expect("the split"), (second, two));
}

#[tokio::test]
async fn a_split_that_cannot_be_served_is_refused() {
    let router = Router::start().await;
    let client = router.client();
    let task = nobody().await;
    let serving = |digit| route(digit, Role::Serving(1), &[task]);
    for (routes, why) in [
        (vec![route('a', Role::Serving(0), &[task])], "serves with a weight of 0"),
        (vec![route('a', Role::Serving(1), &[])], "serves without a task"),
        (vec![serving('a'), route('a', Role::Preview, &[])], "has two routes"),
        (vec![serving('a'), serving('b')], "is named twice"),
    ] {
        let refused = client.set(&fence(1), SplitVersion::default(), &split(routes)).await.expect_err(why);
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains(why), "{refused}");
    }
    assert!(router.control.status().await.expect("the status").services.is_empty());
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_and_its_holder_named() {
    let router = Router::start().await;
    let taken = listener().await;
    let address = taken.local_addr().expect("an address");
    let refused = router.client().configure(&fence(1), &ListenSpec::new(address)).await.expect_err("taken");
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().starts_with(&format!("{address} is already in use")), "{refused}");
    if cfg!(target_os = "linux") {
        assert!(refused.to_string().contains(&format!("(pid {})", std::process::id())), "{refused}");
    }

    let ours = router.listen().await.public;
    let other = router.control.service(named("other"));
    let refused = other.configure(&fence(1), &ListenSpec::new(ours)).await.expect_err("taken");
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(refused.to_string(), format!("{ours} is already in use by the service storefront/local"));
}

#[tokio::test]
async fn configuring_is_idempotent_and_moves_without_a_gap() {
    let router = Router::start().await;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let first = router.listen().await;
    assert_eq!(router.listen().await, first);

    let mut spec = ListenSpec::new(nobody().await);
    let second = router.client().configure(&fence(1), &spec).await.expect("it moves");
    assert_eq!((second.public, second.preview), (spec.public, first.preview));
    assert_eq!(get(second.public, "/").await.body, "a");
    assert!(TcpStream::connect(first.public).await.is_err());

    spec.preview = None;
    let third = router.client().configure(&fence(1), &spec).await.expect("no preview");
    assert_eq!((third.public, third.preview), (spec.public, None));
    assert!(TcpStream::connect(first.preview.expect("a preview port")).await.is_err());
}

#[tokio::test]
async fn removing_a_service_frees_its_ports() {
    let router = Router::start().await;
    let listening = router.listen().await;
    router.client().remove(&fence(1)).await.expect("removed");
    TcpListener::bind(listening.public).await.expect("the port is free");
    TcpListener::bind(listening.preview.expect("a preview port")).await.expect("the port is free");
}

#[tokio::test]
async fn the_status_says_what_there_is() {
    let router = Router::start().await;
    let task = Task::start("a").await;
    let listening = router.listen().await;
    let version = router.route([route('a', Role::Serving(1), &[task.address])]).await;
    get(listening.public, "/").await;
    let status = router.control.status().await.expect("the status");
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(status.pid, std::process::id());
    let [service] = status.services.as_slice() else { panic!("one service: {status:?}") };
    assert_eq!(service.service, key());
    assert_eq!(service.listening, Some(listening));
    assert_eq!((service.epoch, service.split_version), (Epoch(1), version));
    assert_eq!(service.counters.values().map(|counters| counters.requests).sum::<u64>(), 1);
    assert_eq!((&service.trouble, service.in_flight.len()), (&None, 0));
}

#[tokio::test]
async fn it_ends_on_request_unless_it_is_in_use() {
    let router = Router::start().await;
    router.listen().await;
    let refused = router.control.shutdown(false).await.expect_err("it is in use");
    assert_eq!(refused.kind(), ErrorKind::Busy);
    assert_eq!(refused.to_string(), "the router serves storefront/local");
    router.client().remove(&fence(1)).await.expect("removed");
    router.control.shutdown(false).await.expect("it ends");
    eventually("it is gone", || async { router.control.status().await.is_err() }).await;

    let router = Router::start().await;
    router.listen().await;
    router.control.shutdown(true).await.expect("it ends by force");
    let (_, ended) = router.stop().await;
    ended.expect("a graceful end");
}

#[tokio::test]
async fn the_socket_is_its_owners_alone() {
    let router = Router::start().await;
    let mode = |name: &str| {
        let facts = std::fs::metadata(router.dir.join(name)).expect("it exists");
        facts.permissions().mode() & 0o777
    };
    router.listen().await;
    assert_eq!((mode(""), mode("router.sock"), mode("router.json")), (0o700, 0o600, 0o600));
    let left: Vec<_> = std::fs::read_dir(&router.dir)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_folder_with_a_long_path_will_do() {
    let folder = std::sync::Arc::new(tempfile::TempDir::new().expect("a folder"));
    let long = format!("{}/{}", "deep".repeat(40), "deeper".repeat(30));
    let router = Router::start_in(folder, &long).await;
    assert!(router.dir.as_os_str().len() > 300);
    router.listen().await;
}

#[tokio::test]
async fn without_a_router_the_error_says_how_to_start_one() {
    let folder = tempfile::TempDir::new().expect("a folder");
    for dir in [folder.path().join("none"), folder.path().join("none".repeat(40))] {
        let refused = RouterControl::new(dir).service(key()).split().await.expect_err("nobody");
        assert_eq!((refused.kind(), refused.is_temporary()), (ErrorKind::Unavailable, true));
        assert_eq!(refused.hint(), Some("start it with: quickserve router run"));
    }
}

#[tokio::test]
async fn nonsense_on_the_socket_harms_nobody() {
    let router = Router::start().await;
    let ask = async |line: &[u8]| {
        let mut stream = UnixStream::connect(router.dir.join("router.sock")).await.expect("the socket");
        stream.write_all(line).await.expect("sent");
        stream.shutdown().await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    };
    assert!(ask(b"nonsense\n").await.contains("does not understand"));
    assert!(ask(b"{\"v\":1,\"call\":\"sing\"}\n").await.contains("does not understand"));
    assert!(ask(b"{\"v\":2,\"call\":{\"sing\":1}}\n").await.contains("unsupported"));
    assert!(ask(b"\xff\xfe\n").await.contains("does not understand"));
    let bad = br#"{"v":1,"call":{"raise":{"service":{"service":"../x","environment":"y"},"fence":{"epoch":1,"op":1,"not_after":"2030-01-01T00:00:00Z"}}}}"#;
    assert!(ask(&[bad, &b"\n"[..]].concat()).await.contains("host name"));
    assert_eq!(ask(b"{\"v\":1,").await, "");
    assert_eq!(ask(b"").await, "");
    assert!(router.control.status().await.expect("the status").services.is_empty());
}
