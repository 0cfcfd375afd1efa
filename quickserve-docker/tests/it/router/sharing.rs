//! Several services behind one address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quickserve_core::ErrorKind;
use quickserve_core::traffic::{Role, Rule, SplitVersion, TrafficRouter as _};
use quickserve_docker::router::{ListenSpec, RouterControl, Tls};
use tokio::net::TcpStream;

use super::support::{Body, Client, Router, Task, empty, eventually, fence, listener, named, route, split};
use super::tls::{ask_h1_of, connect, make};

/// The rule of `host/path`; either may be left out.
fn rule(text: &str) -> Rule {
    let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let mut rule = Rule::default();
    rule.hosts = host.split_whitespace().map(|host| host.parse().expect("a host")).collect();
    rule.path = (!path.is_empty()).then(|| path.parse().expect("a path"));
    rule
}

/// A service behind an address, with one task that answers with the service's name.
pub(super) async fn serve(
    control: &RouterControl,
    name: &'static str,
    public: SocketAddr,
    text: &str,
) -> (SocketAddr, Task) {
    let service = control.service(named(name));
    let mut spec = ListenSpec::new(public);
    spec.rule = rule(text);
    let task = Task::start(name).await;
    let (_, version) = service.split().await.expect("the split");
    let to = split([route('a', Role::Serving(1), &[task.address])]);
    service.set(&fence(1), version, &to).await.expect("the split is set");
    let public = service.configure(&fence(1), &spec).await.expect("it listens").public;
    (public, task)
}

pub(super) fn any() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

fn asked(host: &str, path: &str) -> Request<Body> {
    Request::builder().method(Method::GET).uri(path).header("host", host).body(empty()).expect("a request")
}

pub(super) async fn ask(client: &mut Client, host: &str, path: &str) -> (StatusCode, String) {
    let answer = client.send(asked(host, path)).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

const ASKED: [(&str, &str, &str); 6] = [
    ("shop.test", "/", "shop"),
    ("SHOP.test:8080", "/api/orders", "api"),
    ("shop.test", "/apis", "shop"),
    ("eu.shop.test", "/", "regions"),
    ("eu.shop.test", "/api", "regions"),
    ("localhost", "/api", "rest"),
];

async fn four(control: &RouterControl) -> (SocketAddr, [Task; 4]) {
    let (public, shop) = serve(control, "shop", any(), "shop.test").await;
    let (_, api) = serve(control, "api", public, "shop.test/api").await;
    let (_, regions) = serve(control, "regions", public, "*.shop.test").await;
    let (_, rest) = serve(control, "rest", public, "").await;
    (public, [shop, api, regions, rest])
}

#[tokio::test]
async fn each_request_of_a_connection_goes_to_the_service_whose_rule_is_closest() {
    let router = Router::start().await;
    let (public, _tasks) = four(&router.control).await;
    let mut client = Client::connect(public).await;
    for (host, path, service) in ASKED {
        assert_eq!(ask(&mut client, host, path).await, (StatusCode::OK, service.to_owned()), "{host}{path}");
    }

    let stream = TcpStream::connect(public).await.expect("a connection");
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.expect("a handshake");
    tokio::spawn(connection);
    for (host, path, service) in ASKED {
        let request = Request::get(format!("http://{host}{path}")).body(empty()).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(body, service, "{host}{path}");
    }
    // Each has counters of its own.
    for (name, requests) in [("shop", 4), ("api", 2), ("regions", 4), ("rest", 2)] {
        let counters = router.control.service(named(name)).counters().await.expect("counters");
        assert_eq!(counters.values().map(|counters| counters.requests).sum::<u64>(), requests, "{name}");
    }
}

#[tokio::test]
async fn what_no_service_has_is_not_found_also_where_there_is_only_one() {
    let router = Router::start().await;
    let (public, _task) = serve(&router.control, "shop", any(), "shop.test/api").await;
    let mut client = Client::connect(public).await;
    for (host, path) in [("other.test", "/api"), ("shop.test", "/")] {
        let (status, body) = ask(&mut client, host, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(body, "quickserve: no service of this address has that host and path\n");
    }
    assert_eq!(ask(&mut client, "shop.test", "/api").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_service_that_could_not_be_told_from_another_is_refused_and_nothing_changes() {
    let router = Router::start().await;
    let (public, _task) = serve(&router.control, "shop", any(), "shop.test *.shop.test").await;
    let other = router.control.service(named("other"));
    let mut spec = ListenSpec::new(public);
    spec.rule = rule("*.shop.test other.test");
    let refused = other.configure(&fence(1), &spec).await.expect_err("a conflict");
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let message = format!("{public} is already in use by the service shop/local for shop.test, *.shop.test");
    assert_eq!(refused.to_string(), message);

    spec.rule = rule("other.test");
    spec.options.tls = Some(Tls::Local);
    let refused = other.configure(&fence(1), &spec).await.expect_err("a conflict");
    assert_eq!(refused.to_string(), format!("{public} is used by the service shop/local without TLS"));

    let mut client = Client::connect(public).await;
    assert_eq!(ask(&mut client, "eu.shop.test", "/").await.1, "shop");
    assert_eq!(ask(&mut client, "other.test", "/").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_service_that_cannot_answer_keeps_what_is_its_own() {
    let router = Router::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut public = any();
    let mut tasks = Vec::new();
    for (name, text) in [("shop", "shop.test"), ("other", "")] {
        let mut spec = ListenSpec::new(public);
        spec.rule = rule(text);
        let tls = if name == "shop" { make(folder.path(), "shop.test") } else { Tls::Local };
        spec.options.tls = Some(tls);
        let service = router.control.service(named(name));
        public = service.configure(&fence(1), &spec).await.expect("it listens").public;
        let task = Task::start(name).await;
        let to = split([route('a', Role::Serving(1), &[task.address])]);
        service.set(&fence(1), SplitVersion::default(), &to).await.expect("set");
        tasks.push(task);
    }
    let trusted = folder.path().join("certificate.pem");
    let aside = folder.path().join("aside.pem");
    std::fs::rename(&trusted, &aside).expect("moved");
    let router = Router::start_in(router.kill().await, "router").await;
    let troubled = || async {
        let status = router.control.status().await.expect("the status");
        let troubled = status.services.iter().filter(|service| service.trouble.is_some());
        troubled.map(|service| service.service.service().to_owned()).collect::<Vec<_>>() == ["shop"]
    };
    eventually("only the other one is well", troubled).await;
    // Its clients are not given another service's certificate, and its rule is still its own.
    let refused = || async {
        let seen = connect(public, &aside, "shop.test", &[]).await;
        seen.is_err_and(|error| !error.to_string().contains("certificate"))
    };
    eventually("its clients are refused", refused).await;
    let mut spec = ListenSpec::new(public);
    (spec.rule, spec.options.tls) = (rule("shop.test"), Some(Tls::Local));
    let third = router.control.service(named("third"));
    let error = third.configure(&fence(1), &spec).await.expect_err("a conflict");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    std::fs::rename(&aside, &trusted).expect("moved back");
    let back = || async {
        match connect(public, &trusted, "shop.test", &[]).await {
            Ok(stream) => ask_h1_of(stream, "shop.test").await == "shop",
            Err(_) => false,
        }
    };
    eventually("it is back", back).await;
}

/// Two services behind one address, of which only the second has a certificate after the router's death.
async fn first_without_certificate(
    rules: [(&'static str, &str); 2],
    host: &str,
) -> (Router, SocketAddr, [tempfile::TempDir; 2], Vec<Task>) {
    let router = Router::start().await;
    let folders = [(); 2].map(|()| tempfile::TempDir::new().expect("a folder"));
    let mut public = any();
    let mut tasks = Vec::new();
    for ((name, text), folder) in rules.into_iter().zip(&folders) {
        let mut spec = ListenSpec::new(public);
        spec.rule = rule(text);
        spec.options.tls = Some(make(folder.path(), host));
        let service = router.control.service(named(name));
        public = service.configure(&fence(1), &spec).await.expect("it listens").public;
        let task = Task::start(name).await;
        let to = split([route('a', Role::Serving(1), &[task.address])]);
        service.set(&fence(1), SplitVersion::default(), &to).await.expect("set");
        tasks.push(task);
    }
    let lost = folders[0].path().join("certificate.pem");
    std::fs::rename(&lost, folders[0].path().join("aside.pem")).expect("moved");
    let router = Router::start_in(router.kill().await, "router").await;
    (router, public, folders, tasks)
}

#[tokio::test]
async fn from_the_first_connection_on_nobody_gets_what_is_of_one_that_cannot_answer() {
    let rules = [("shop", "shop.test"), ("other", "")];
    let (_router, public, folders, _tasks) = first_without_certificate(rules, "shop.test").await;
    let others = folders[1].path().join("certificate.pem");
    assert!(connect(public, &others, "shop.test", &[]).await.is_err(), "another service's certificate");
}

#[tokio::test]
async fn one_without_its_certificate_does_not_take_those_of_others_for_the_same_host_along() {
    let rules = [("api", "shop.test/api"), ("shop", "shop.test")];
    let (_router, public, folders, _tasks) = first_without_certificate(rules, "shop.test").await;
    let trusted = folders[1].path().join("certificate.pem");
    let stream = connect(public, &trusted, "shop.test", &[]).await.expect("the certificate that is there");
    assert_eq!(ask_h1_of(stream, "shop.test").await, "shop");
}

#[tokio::test]
async fn who_opens_an_address_opens_it_for_all_that_belong_there() {
    let router = Router::start().await;
    let (public, _shop) = serve(&router.control, "shop", any(), "shop.test").await;
    let (_, _rest) = serve(&router.control, "rest", public, "").await;
    let kept = router.kill().await;
    let stranger = std::net::TcpListener::bind(public).expect("the port is free");
    let router = Router::start_in(kept, "router").await;
    let status = router.control.status().await.expect("the status");
    assert!(status.services.iter().all(|service| service.trouble.is_some()), "{status:?}");
    drop(stranger);
    let rest = router.control.service(named("rest"));
    rest.configure(&fence(1), &ListenSpec::new(public)).await.expect("it listens");
    assert_eq!(ask(&mut Client::connect(public).await, "shop.test", "/").await.1, "shop");
}

#[tokio::test]
async fn a_request_that_names_several_hosts_is_refused() {
    let router = Router::start().await;
    let (public, task) = serve(&router.control, "shop", any(), "shop.test").await;
    let mut twice = asked("shop.test", "/");
    twice.headers_mut().append("host", "other.test".parse().expect("a value"));
    let answer = Client::connect(public).await.send(twice).await.expect("an answer");
    assert_eq!((answer.status(), task.requests()), (StatusCode::BAD_REQUEST, 0));
}

#[tokio::test]
async fn one_service_comes_and_goes_and_the_other_loses_no_request() {
    let router = Router::start().await;
    let (public, _shop) = serve(&router.control, "shop", any(), "").await;
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let load = tokio::spawn(async move {
        let mut client = Client::connect(public).await;
        let mut count = 0;
        while !ended.load(std::sync::atomic::Ordering::SeqCst) {
            assert_eq!(ask(&mut client, "shop.test", "/").await, (StatusCode::OK, "shop".to_owned()));
            // One that comes over a new connection.
            assert_eq!(ask(&mut Client::connect(public).await, "shop.test", "/").await.1, "shop");
            count += 2;
        }
        count
    });
    let mut client = Client::connect(public).await;
    for _ in 0..20 {
        let (_, _other) = serve(&router.control, "other", public, "other.test").await;
        assert_eq!(ask(&mut client, "other.test", "/").await.1, "other");
        router.control.service(named("other")).remove(&fence(1)).await.expect("removed");
        assert_eq!(ask(&mut client, "other.test", "/").await.1, "shop");
    }
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(load.await.expect("no request failed") > 0);
    // The last one closes the door.
    router.control.service(named("shop")).remove(&fence(1)).await.expect("removed");
    assert!(TcpStream::connect(public).await.is_err());
}

#[tokio::test]
async fn a_service_moves_to_another_rule_and_to_another_address() {
    let router = Router::start().await;
    let (public, _shop) = serve(&router.control, "shop", any(), "shop.test").await;
    let (_, _other) = serve(&router.control, "other", public, "other.test").await;
    let mut client = Client::connect(public).await;
    let (_, _moved) = serve(&router.control, "other", public, "moved.test").await;
    assert_eq!(ask(&mut client, "other.test", "/").await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&mut client, "moved.test", "/").await.1, "other");
    let free = listener().await.local_addr().expect("an address");
    let (elsewhere, _elsewhere) = serve(&router.control, "other", free, "moved.test").await;
    assert_eq!(ask(&mut client, "moved.test", "/").await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&mut Client::connect(elsewhere).await, "moved.test", "/").await.1, "other");
    assert_eq!(ask(&mut client, "shop.test", "/").await.1, "shop");
}

#[tokio::test]
async fn all_of_them_are_back_after_a_sudden_death() {
    let router = Router::start().await;
    let (public, _tasks) = four(&router.control).await;
    let router = Router::start_in(router.kill().await, "router").await;
    let mut client = Client::connect(public).await;
    for (host, path, service) in ASKED {
        assert_eq!(ask(&mut client, host, path).await.1, service, "{host}{path}");
    }
    let status = router.control.status().await.expect("the status");
    assert!(status.services.iter().all(|service| service.trouble.is_none()), "{status:?}");
}

#[tokio::test]
async fn each_has_its_own_wishes_and_the_largest_limits_hold_for_a_connection() {
    let router = Router::start().await;
    let (public, _shop) = serve(&router.control, "shop", any(), "shop.test").await;
    let mut spec = ListenSpec::new(public);
    spec.rule = rule("other.test");
    spec.options.hold = Duration::from_secs(20);
    spec.options.limits.connections = 1;
    let other = router.control.service(named("other"));
    other.configure(&fence(1), &spec).await.expect("it listens");
    // More than that one wants: the other's limit is larger.
    let mut client = Client::connect(public).await;
    let mut waiting = Client::connect(public).await;
    let waits = tokio::spawn(async move { ask(&mut waiting, "other.test", "/").await });
    assert_eq!(ask(&mut client, "shop.test", "/").await.1, "shop");
    let task = Task::start("other").await;
    let (_, version) = other.split().await.expect("the split");
    other
        .set(&fence(1), version, &split([route('a', Role::Serving(1), &[task.address])]))
        .await
        .expect("set");
    assert_eq!(waits.await.expect("an end"), (StatusCode::OK, "other".to_owned()));
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_service_that_it_names() {
    let router = Router::start().await;
    let mut public = any();
    let mut kept = Vec::new();
    for (name, host) in [("shop", "shop.test"), ("other", "other.test")] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let mut spec = ListenSpec::new(public);
        spec.rule = rule(host);
        spec.options.tls = Some(make(folder.path(), host));
        let service = router.control.service(named(name));
        public = service.configure(&fence(1), &spec).await.expect("it listens").public;
        let task = Task::start(name).await;
        let (_, version) = service.split().await.expect("the split");
        let to = split([route('a', Role::Serving(1), &[task.address])]);
        service.set(&fence(1), version, &to).await.expect("set");
        kept.push((folder, task));
    }
    for (index, host) in ["shop.test", "other.test"].into_iter().enumerate() {
        let trusted = kept[index].0.path().join("certificate.pem");
        let stream = connect(public, &trusted, host, &[]).await.expect("a handshake");
        assert_eq!(ask_h1_of(stream, host).await, ["shop", "other"][index]);
        let stranger = kept[1 - index].0.path().join("certificate.pem");
        assert!(connect(public, &stranger, host, &[]).await.is_err());
    }
    // One that names nobody gets the first one's.
    let trusted = kept[1].0.path().join("certificate.pem");
    assert!(connect(public, &trusted, "127.0.0.1", &[]).await.is_err());
}

#[tokio::test]
async fn a_kept_connection_has_the_wishes_of_whoever_takes_its_request() {
    let router = Router::start().await;
    let mut spec = ListenSpec::new(any());
    spec.options.hold = Duration::from_secs(20);
    let shop = router.control.service(named("shop"));
    spec.public = shop.configure(&fence(1), &spec).await.expect("it listens").public;
    let (_, _other) = serve(&router.control, "other", spec.public, "other.test").await;
    let mut kept = Client::connect(spec.public).await;
    assert_eq!(ask(&mut kept, "other.test", "/").await.1, "other");
    router.control.service(named("other")).remove(&fence(1)).await.expect("removed");
    // The other one waits for nothing, and had the connection when it began.
    let mut waits = tokio::spawn(async move {
        let seen = ask(&mut kept, "shop.test", "/").await;
        (kept, seen)
    });
    let held = tokio::time::timeout(Duration::from_millis(300), &mut waits).await;
    assert!(held.is_err(), "it is answered at once");
    let task = Task::start("shop").await;
    let (_, version) = shop.split().await.expect("the split");
    let to = split([route('a', Role::Serving(1), &[task.address])]);
    let version = shop.set(&fence(1), version, &to).await.expect("set");
    let (mut kept, (_, body)) = waits.await.expect("no panic");
    assert_eq!(body, "shop");
    // It asks for something else, and its kept connections get it.
    spec.options.hold = Duration::ZERO;
    shop.configure(&fence(1), &spec).await.expect("it listens");
    shop.set(&fence(1), version, &split([])).await.expect("set");
    assert_eq!(ask(&mut kept, "shop.test", "/").await.0, StatusCode::SERVICE_UNAVAILABLE);
}
