//! Finding or starting a router.

use std::time::Duration;

use quickserve_core::ErrorKind;
use quickserve_core::traffic::{Role, TrafficRouter as _};
use quickserve_docker::router::{Launch, ListenSpec, RouterControl, RouterSettings, ensure_running, run};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::support::{Router, Task, eventually, fence, get, key, route, split};

/// What a launched router runs: this very test program, told to run this one "test". Its folder is its
/// working folder, since a launched router gets nothing else.
#[tokio::test]
#[ignore = "not a test: the process that others start"]
async fn the_router_process() {
    if std::path::Path::new("router.log").exists() {
        run(RouterSettings::new("."), std::future::pending()).await.expect("a graceful end");
    }
}

fn this_program(dir: &std::path::Path) -> Launch {
    let program = std::env::current_exe().expect("this program");
    Launch::new(dir, program, ["--ignored", "--exact", "router::launching::the_router_process"])
}

/// Ends the process that a test has started, also when the test fails.
struct Started(Pid);

impl Started {
    async fn by(control: &RouterControl) -> Self {
        let pid = control.status().await.expect("the status").pid;
        assert_ne!(pid, std::process::id());
        Self(Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[tokio::test]
async fn callers_at_the_same_time_end_with_one_router() {
    let folder = TempDir::new().expect("a folder");
    let dir = folder.path().join("router");
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let launch = this_program(&dir);
            tokio::spawn(async move { ensure_running(&launch).await.expect("it runs") })
        })
        .collect();
    // Whoever came late has not replaced the one that the others were given.
    let mut found = Vec::new();
    for caller in callers {
        found.push(caller.await.expect("no panic"));
    }
    let _started = Started::by(&found[0]).await;
    let mut pids = Vec::new();
    for control in &found {
        pids.push(control.status().await.expect("the status").pid);
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
}

#[tokio::test]
async fn a_router_process_killed_outright_serves_again_once_it_is_started() {
    let folder = TempDir::new().expect("a folder");
    let dir = folder.path().join("router");
    let launch = this_program(&dir);
    let control = ensure_running(&launch).await.expect("it runs");
    let first = Started::by(&control).await;
    let client = control.service(key());
    let task = Task::start("a").await;
    let spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
    let listening = client.configure(&fence(1), &spec).await.expect("it listens");
    let to = split([route('a', Role::Serving(1), &[task.address])]);
    let version = client.set(&fence(1), client.split().await.expect("the split").1, &to).await.expect("set");
    assert_eq!(get(listening.public, "/").await.body, "a");

    kill_process(first.0, Signal::KILL).expect("killed");
    eventually("it is gone", || async { control.status().await.is_err() }).await;
    let control = ensure_running(&launch).await.expect("it runs again");
    let second = Started::by(&control).await;
    assert_ne!(first.0, second.0);
    std::mem::forget(first);
    assert_eq!(client.split().await.expect("the split"), (to, version));
    assert_eq!(get(listening.public, "/").await.body, "a");
    control.shutdown(true).await.expect("it ends");
    eventually("it is gone", || async { control.status().await.is_err() }).await;
}

#[tokio::test]
async fn a_router_that_runs_is_found() {
    let router = Router::start().await;
    // The command would fail: it is not needed.
    let launch = Launch::new(&router.dir, "/nonexistent", [""; 0]);
    let control = ensure_running(&launch).await.expect("it runs");
    assert_eq!(control.dir(), router.dir);
}

#[tokio::test]
async fn one_that_does_not_start_is_an_error_with_its_last_words() {
    let folder = TempDir::new().expect("a folder");
    let dir = folder.path().join("router");
    let launch = Launch::new(&dir, "/nonexistent", [""; 0]);
    let failed = ensure_running(&launch).await.expect_err("no such command");
    assert_eq!(failed.kind(), ErrorKind::Unavailable);

    let mut launch = Launch::new(&dir, "/bin/sh", ["-c", "echo the port is cursed >&2; exit 3"]);
    launch.patience = Duration::from_secs(20);
    let failed = ensure_running(&launch).await.expect_err("it ends at once");
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert!(failed.to_string().contains("the port is cursed"), "{failed}");
}

#[tokio::test]
async fn it_gets_no_variable_of_its_callers() {
    let folder = TempDir::new().expect("a folder");
    let dir = folder.path().join("router");
    let mut launch = Launch::new(&dir, "/usr/bin/env", [""; 0]);
    launch.args = vec!["sh".to_owned(), "-c".to_owned(), "env > seen".to_owned()];
    ensure_running(&launch).await.expect_err("it is no router");
    let seen = std::fs::read_to_string(dir.join("seen")).expect("its variables");
    assert!(!seen.contains("CARGO"), "{seen}");
}
