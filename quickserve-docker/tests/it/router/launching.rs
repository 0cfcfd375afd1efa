//! Finding or starting a router.

use std::time::Duration;

use quickserve_core::ErrorKind;
use quickserve_docker::router::{Launch, ensure_running};
use tempfile::TempDir;

use super::support::Router;

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
