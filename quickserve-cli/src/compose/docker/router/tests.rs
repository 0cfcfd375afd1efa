//! The router as deployments meet it.

use std::net::SocketAddr;
use std::path::Path;

use quickserve_core::fence::Epoch;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Role, Route, Upstream};
use quickserve_core::workload::Protocol;
use quickserve_docker::router::{RouterControl, RouterSettings, ServiceStatus, Tls, run};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::*;

fn fence(epoch: u64) -> Fence {
    Fence { epoch: Epoch(epoch), op: 0, not_after: jiff::Timestamp::MAX }
}

fn release(digit: &str) -> ReleaseId {
    format!("r-{}", digit.repeat(12)).parse().expect("a release's name")
}

fn serving(digit: &str) -> Split {
    let address = "127.0.0.1:9".parse().expect("an address");
    let upstreams = vec![Upstream { task: TaskId("t".to_owned()), address }];
    let (release, role, protocol) = (release(digit), Role::Serving(1), Protocol::Http1);
    Split { routes: vec![Route { release, role, protocol, upstreams }] }
}

fn at(address: &str) -> ListenSpec {
    ListenSpec::new(address.parse().expect("an address"))
}

fn with_certificate(name: &str) -> ListenSpec {
    let mut listen = at("127.0.0.1:0");
    let file = |end| Path::new("/nowhere").join(format!("{name}.{end}"));
    listen.options.tls = Some(Tls::Files { certificate: file("crt"), key: file("key") });
    listen
}

/// A router, what asks it, and what stands before it with a wish.
struct Stage {
    client: RouterClient,
    standing: StandingRouter,
    _folder: TempDir,
}

impl Stage {
    async fn new(wish: ListenSpec) -> Self {
        let folder = TempDir::new().expect("a folder");
        let running = tokio::spawn(run(RouterSettings::new(folder.path()), std::future::pending()));
        let control = RouterControl::new(folder.path());
        while control.status().await.is_err() {
            assert!(!running.is_finished(), "the router ended");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let client = control.service(ServiceKey::new("shop", "local").expect("a service's name"));
        let launch = Launch::new(folder.path(), "/nowhere/quickserve", [""; 0]);
        let standing = StandingRouter::new(client.clone(), launch, Some(wish));
        Self { client, standing, _folder: folder }
    }

    /// Where the service listens.
    async fn public(&self) -> Option<SocketAddr> {
        let status = self.client.control().status().await.expect("a status");
        status.services.first().and_then(|service| Some(service.listening?.public))
    }

    /// As if the service had been asked to listen like this before.
    fn remembers(&self, asked: &ListenSpec) {
        let service: ServiceStatus = serde_json::from_value(json!({
            "service": self.client.service(),
            "listening": { "public": asked.public, "preview": null },
            "asked": asked,
            "trouble": null,
            "epoch": 1,
            "split": Split::default(),
            "split_version": 0,
            "in_flight": {},
            "counters": {},
        }))
        .expect("a status");
        self.standing.wish.remember(&service);
    }

    async fn set(&self, epoch: u64, split: &Split) -> Result<SplitVersion> {
        let (_, version) = self.standing.split().await.expect("a split");
        self.standing.set(&fence(epoch), version, split).await
    }
}

#[tokio::test]
async fn until_its_release_serves_the_port_is_where_it_was_when_this_owner_began() {
    let stage = Stage::new(at("127.0.0.1:0")).await;
    stage.client.configure(&fence(1), &at("127.0.0.1:0")).await.expect("it listens");
    stage.standing.move_with(&release("b"));
    stage.standing.raise(&fence(2)).await.expect("an owner");
    // While this process waits for its turn again, another owner moves it.
    stage.client.configure(&fence(3), &at("0.0.0.0:0")).await.expect("it listens");
    let moved = stage.public().await;
    stage.standing.raise(&fence(4)).await.expect("an owner");
    stage.set(4, &serving("a")).await.expect("a split");
    assert_eq!(stage.public().await, moved);
    stage.set(4, &serving("b")).await.expect("a split");
    assert_ne!(stage.public().await, moved);
}

#[tokio::test]
async fn traffic_goes_back_also_where_the_port_of_before_is_taken() {
    let stage = Stage::new(at("127.0.0.1:0")).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let before = free.expect("a port");
    stage.client.configure(&fence(1), &ListenSpec::new(before)).await.expect("it listens");
    stage.standing.move_with(&release("b"));
    stage.standing.raise(&fence(2)).await.expect("an owner");
    stage.set(2, &serving("b")).await.expect("a split");
    let moved = stage.public().await;
    assert_ne!(moved, Some(before));
    let stranger = std::net::TcpListener::bind(before).expect("the port of before is free");
    stage.set(2, &serving("a")).await.expect("the split all the same");
    let (split, _) = stage.client.split().await.expect("a split");
    assert_eq!((split, stage.public().await), (serving("a"), moved));
    let why = stage.standing.amiss().expect("a reason");
    assert!(why.contains(&before.to_string()), "{why}");
    drop(stranger);
    stage.set(2, &serving("a")).await.expect("a split");
    assert_eq!((stage.public().await, stage.standing.amiss()), (Some(before), None));
}

#[tokio::test]
async fn only_what_goes_back_is_worth_more_than_a_port() {
    let stage = Stage::new(with_certificate("new")).await;
    stage.client.configure(&fence(1), &at("127.0.0.1:0")).await.expect("it listens");
    stage.standing.raise(&fence(2)).await.expect("an owner");
    stage.set(2, &serving("b")).await.expect_err("there is no certificate");
    assert_eq!(stage.client.split().await.expect("a split").0, Split::default());
    stage.standing.go_back();
    stage.set(2, &serving("a")).await.expect("the split all the same");
    assert!(stage.standing.amiss().is_some_and(|why| why.contains("new.crt")));
}

#[tokio::test]
async fn where_nothing_can_be_had_both_reasons_are_told() {
    let stage = Stage::new(with_certificate("new")).await;
    stage.standing.raise(&fence(1)).await.expect("an owner");
    stage.standing.move_with(&release("b"));
    stage.remembers(&with_certificate("old"));
    let refused = stage.set(1, &serving("a")).await.expect_err("there is no certificate");
    let told = refused.causes().join(": ");
    assert!(told.contains("old.crt") && told.contains("new.crt"), "{told}");
    assert_eq!(stage.public().await, None);
}

#[tokio::test]
async fn what_goes_back_for_another_owner_does_not_wait_for_a_port_either() {
    for act in [Act::Deploy, Act::Rollback] {
        let stage = Stage::new(with_certificate("new")).await;
        stage.client.configure(&fence(1), &at("127.0.0.1:0")).await.expect("it listens");
        stage.standing.succeed(act, Some(&release("b")));
        stage.standing.raise(&fence(2)).await.expect("an owner");
        let forward = stage.set(2, &serving("b")).await;
        assert_eq!(forward.is_ok(), act == Act::Rollback, "{forward:?}");
        stage.set(2, &serving("a")).await.expect("the split all the same");
        assert!(stage.standing.amiss().is_some_and(|why| why.contains("new.crt")));
    }
}

#[tokio::test]
async fn where_only_what_is_asked_for_today_can_be_had_it_is_told_why() {
    let stage = Stage::new(at("127.0.0.1:0")).await;
    stage.standing.raise(&fence(1)).await.expect("an owner");
    stage.standing.move_with(&release("b"));
    stage.remembers(&with_certificate("old"));
    stage.set(1, &serving("a")).await.expect("a split");
    let why = stage.standing.amiss().expect("a reason");
    assert!(why.contains("as quickserve.toml asks for now") && why.contains("old.crt"), "{why}");
    stage.set(1, &serving("b")).await.expect("a split");
    assert_eq!(stage.standing.amiss(), None);
}

/// A router that is older than rules: what it answers says nothing of them. Answers with the calls that it gets.
fn old_router(folder: &Path) -> mpsc::UnboundedReceiver<Value> {
    let listener = UnixListener::bind(folder.join("router.sock")).expect("a socket");
    let (calls, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a caller");
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            while let Some(line) = lines.next_line().await.expect("a call") {
                let asked: Value = serde_json::from_str(&line).expect("a call");
                let status = json!({ "version": "0.0.9", "pid": 1, "uptime": 1, "services": [] });
                let answer =
                    if asked["call"] == "status" { json!({ "status": status }) } else { json!("done") };
                calls.send(asked["call"].clone()).expect("the test goes on");
                writer.write_all(format!("{answer}\n").as_bytes()).await.expect("an answer");
            }
        }
    });
    seen
}

#[tokio::test]
async fn a_router_from_before_rules_is_asked_for_nothing() {
    let folder = TempDir::new().expect("a folder");
    let mut calls = old_router(folder.path());
    let client = RouterControl::new(folder.path()).service(ServiceKey::new("shop", "local").expect("a name"));
    let launch = Launch::new(folder.path(), "/nowhere/quickserve", [""; 0]);
    let mut wish = at("127.0.0.1:0");
    wish.rule.hosts.push("shop.test".parse().expect("a host"));
    let standing = StandingRouter::new(client.clone(), launch.clone(), Some(wish.clone()));
    let refused = standing.raise(&fence(1)).await.expect_err("it would pass the rule over");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("0.0.9"), "{refused}");
    assert_eq!(refused.hint(), Some("quickserve router upgrade"));
    // Not by whoever asks it directly, either.
    let refused = client.configure(&fence(1), &wish).await.expect_err("it would pass the rule over");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    while let Ok(call) = calls.try_recv() {
        assert_eq!(call, "status");
    }
    // Without a rule it does.
    let standing = StandingRouter::new(client.clone(), launch.clone(), Some(at("127.0.0.1:0")));
    standing.raise(&fence(1)).await.expect("an owner");
    // What takes requests back does not wait for another router.
    let standing = StandingRouter::new(client, launch, Some(wish));
    standing.go_back();
    standing.raise(&fence(1)).await.expect("an owner");
}
