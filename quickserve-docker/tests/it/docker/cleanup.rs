//! Logs, sweeping, and who holds a port.

use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use quickserve_core::log::{LogQuery, LogStream};
use quickserve_core::orchestrator::TaskPhase;
use quickserve_core::registry::Registry as _;
use quickserve_core::workload::{Mount, Volume};
use quickserve_docker::{Engine, ImageStore, PortHolder, logs};

use super::support::{Stage, docker, fence, ids, serving, single, spec};

#[tokio::test]
async fn logs_are_read_by_release_and_made_safe() {
    let stage = Stage::new("logs").await;
    let one = stage.release(single(&["say", "\u{1b}[32mgreen\u{1b}[0m", "err", "bad", "sleep", "60000"]));
    let two = stage.release(single(&["say", "other", "sleep", "60000"]));
    stage.advance_until(&spec(&one, 1), TaskPhase::Running).await;
    stage.advance_until(&spec(&two, 1), TaskPhase::Running).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let query = LogQuery { release: Some(one.id.clone()), ..LogQuery::default() };
    let lines: Vec<_> = logs(&stage.engine, &stage.key, query).await.expect("logs").collect().await;
    let mut lines: Vec<_> = lines.into_iter().map(|line| line.expect("a line")).collect();
    lines.sort_by(|a, b| a.text.cmp(&b.text));
    assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["bad", "green"]);
    assert_eq!((lines[0].stream, lines[1].stream), (Some(LogStream::Stderr), Some(LogStream::Stdout)));
    let of_one = Some(&one.id);
    assert!(
        lines
            .iter()
            .all(|line| line.time.is_some() && line.release.as_ref() == of_one && line.container == "app")
    );
    let query = LogQuery { tail: Some(1), ..LogQuery::default() };
    let lines: Vec<_> = logs(&stage.engine, &stage.key, query).await.expect("logs").collect().await;
    assert_eq!(lines.len(), 2, "one line of each container");
    let query = LogQuery { since: Some(Timestamp::MAX), ..LogQuery::default() };
    let lines: Vec<_> = logs(&stage.engine, &stage.key, query).await.expect("logs").collect().await;
    assert_eq!(lines.len(), 0, "nothing was written after the end of time");
}

#[tokio::test]
async fn followed_logs_go_on_with_tasks_that_start_later_and_restart() {
    let stage = Stage::new("follow").await;
    let one = stage.release(single(&["say", "first", "sleep", "60000"]));
    stage.advance_until(&spec(&one, 1), TaskPhase::Running).await;
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let mut lines = logs(&stage.engine, &stage.key, query).await.expect("logs");
    let mut next = async || {
        let line = tokio::time::timeout(Duration::from_secs(10), lines.next()).await.expect("in time");
        line.expect("no end").expect("a line").text
    };
    assert_eq!(next().await, "first");
    let two = stage.release(single(&["say", "second", "sleep", "1200", "exit", "1"]));
    let mut promoted = spec(&two, 1);
    promoted.standing = quickserve_core::orchestrator::Standing::Promoted;
    stage.advance_until(&promoted, TaskPhase::Running).await;
    assert_eq!(next().await, "second");
    assert_eq!(next().await, "second", "after the restart");
}

#[tokio::test]
async fn a_sweep_leaves_nothing_of_ours_and_everything_of_others() {
    let stage = Stage::new("sweep").await;
    let mut workload = serving(&["serve", "8080"]);
    workload.containers[0].mounts =
        vec![Mount { volume: "data".into(), path: "/data".into(), read_only: false }];
    workload.volumes = vec![Volume { name: "data".into(), host_path: None }];
    let release = stage.release(workload);
    let set = stage.advance_until(&spec(&release, 2), TaskPhase::Running).await;
    let store = ImageStore::new(stage.engine.clone(), stage.key.clone());
    store.pin(&release.id, "app", &release.images["app"]).await.expect("a pin");
    let foreign = format!("qs-{}.{}-{:#}-9-1", stage.key.service(), stage.key.environment(), release.id);
    docker(&["run", "-d", "--name", &foreign, &stage.image, "sleep", "60000"]);
    let swept = stage.platform.sweep(&fence(1), false).await;
    let again = stage.platform.sweep(&fence(1), true).await;
    let still = docker(&["ps", "-q", "--filter", &format!("name={foreign}")]);
    docker(&["rm", "-f", &foreign]);
    let (swept, again) = (swept.expect("a sweep"), again.expect("a sweep"));
    assert_eq!(still.lines().count(), 1, "a foreign container of a similar name stays");
    assert_eq!(swept.containers.len(), ids(&set).len());
    assert_eq!((swept.volumes.len(), swept.tags.len(), swept.network), (0, 1, true));
    assert_eq!(swept.kept_volumes, again.volumes);
    assert_eq!((again.containers.len(), again.volumes.len(), again.network), (0, 1, false));
    assert!(stage.containers().is_empty());
    let images = docker(&["image", "ls", "-q", &stage.image]);
    assert_eq!(images.lines().count(), 1, "the image itself is not ours to remove");
}

#[tokio::test]
async fn the_holder_of_a_port_is_named() {
    let stage = Stage::new("holder").await;
    let release = stage.release(serving(&["serve", "8080"]));
    let set = stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    let port = set.tasks[0].address.expect("an address").port();
    let holder = stage.engine.who_holds(port).await.expect("an answer").expect("a holder");
    let PortHolder::Container { service, name, .. } = &holder else { panic!("a container: {holder:?}") };
    assert_eq!(service.as_deref(), Some(stage.key.to_string().as_str()));
    assert!(holder.to_string().contains(name));

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let holder = stage.engine.who_holds(port).await.expect("an answer").expect("a holder");
    let PortHolder::Process { pid, .. } = holder else { panic!("a process: {holder:?}") };
    assert_eq!(pid, std::process::id());
    drop(listener);
    assert_eq!(stage.engine.who_holds(port).await.expect("an answer"), None);
}

#[tokio::test]
async fn no_engine_is_an_error_with_a_way_out() {
    let error = Engine::connect(Some("unix:///nowhere/docker.sock")).await.expect_err("no engine");
    assert_eq!(error.kind(), quickserve_core::ErrorKind::Unavailable);
    assert!(error.to_string().contains("/nowhere/docker.sock"), "{error}");
    assert!(error.hint().is_some());
    let error = Engine::connect(Some("tcp://10.0.0.1:2375")).await.expect_err("another machine");
    assert_eq!(error.kind(), quickserve_core::ErrorKind::Unsupported);
}
