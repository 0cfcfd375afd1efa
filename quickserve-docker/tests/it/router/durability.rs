//! What a router remembers when it is killed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use quickserve_core::ErrorKind;
use quickserve_core::traffic::{Role, SplitVersion, TrafficRouter as _};
use quickserve_docker::router::{RouterSettings, run};
use tempfile::TempDir;

use super::support::{Router, Task, eventually, fence, get, release, route, split};

#[tokio::test]
async fn a_killed_router_comes_back_as_it_was() {
    let router = Router::start().await;
    let (a, b) = (Task::start("a").await, Task::start("b").await);
    let listening = router.listen().await;
    let to = [route('a', Role::Serving(1), &[a.address]), route('b', Role::Preview, &[b.address])];
    let version = router.route(to.clone()).await;
    router.client().raise(&fence(9)).await.expect("raised");
    let folder = router.kill().await;

    let router = Router::start_in(folder, "router").await;
    let client = router.client();
    assert_eq!(client.split().await.expect("the split"), (split(to.clone()), version));
    let refused = client.set(&fence(8), version, &split([])).await.expect_err("it is refused");
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    let status = router.control.status().await.expect("the status");
    assert_eq!(status.services[0].listening, Some(listening));
    // Here the killed one's sockets end a moment later than it does; a process takes them along.
    eventually("its ports are open", || async {
        router.control.status().await.expect("the status").services[0].trouble.is_none()
    })
    .await;
    assert_eq!(get(listening.public, "/").await.body, "a");
    assert_eq!(get(listening.preview.expect("a preview port"), "/").await.body, "b");
}

#[tokio::test]
async fn a_graceful_end_keeps_the_counters() {
    let router = Router::start().await;
    let task = Task::start("a").await;
    let public = router.listen().await.public;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    for _ in 0..3 {
        get(public, "/").await;
    }
    let (folder, ended) = router.stop().await;
    ended.expect("a graceful end");
    let router = Router::start_in(folder, "router").await;
    assert_eq!(router.client().counters().await.expect("the counters")[&release('a')].requests, 3);
}

#[tokio::test]
async fn a_damaged_state_is_a_loud_error_and_stays_as_it_is() {
    let router = Router::start().await;
    router.listen().await;
    let file = router.dir.join("router.json");
    let dir = router.dir.clone();
    let _folder = router.kill().await;
    let whole = fs::read(&file).expect("the state");
    let lengths = [0, 1, whole.len() / 2, whole.len() - 1];
    let other_form = String::from_utf8(whole.clone()).expect("text").replace("\"v\": 1", "\"v\": 2");
    let damaged = lengths.map(|length| whole[..length].to_vec()).into_iter().chain([other_form.into_bytes()]);
    for bytes in damaged {
        fs::write(&file, &bytes).expect("written");
        let refused = run(RouterSettings::new(&dir), std::future::pending()).await.expect_err("damaged");
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains("router.json"), "{refused}");
        assert!(refused.hint().is_some());
        assert_eq!(fs::read(&file).expect("the state"), bytes);
    }
}

#[tokio::test]
async fn two_routers_do_not_share_a_folder() {
    let router = Router::start().await;
    let second = run(RouterSettings::new(&router.dir), std::future::pending()).await;
    let refused = second.expect_err("the folder is taken");
    assert_eq!(refused.kind(), ErrorKind::Busy);
    assert!(refused.to_string().ends_with(&format!("(pid {})", std::process::id())), "{refused}");
    router.control.status().await.expect("the first one still answers");
}

#[tokio::test]
async fn a_folder_that_others_may_write_to_is_refused() {
    let folder = TempDir::new().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("its mode is set");
    let refused = run(RouterSettings::new(folder.path()), std::future::pending()).await.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_service_whose_port_was_taken_meanwhile_keeps_no_other_from_being_served() {
    let router = Router::start().await;
    let task = Task::start("a").await;
    let public = router.listen().await.public;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let folder = router.kill().await;
    let mut thief = None;
    eventually("the port is taken", || {
        thief = std::net::TcpListener::bind(public).ok();
        std::future::ready(thief.is_some())
    })
    .await;

    let router = Router::start_in(folder, "router").await;
    let status = router.control.status().await.expect("the status");
    let trouble = status.services[0].trouble.clone().expect("it says so");
    assert!(trouble.starts_with(&format!("{public} is already in use")), "{trouble}");
    drop(thief);
    eventually("it serves again", || async {
        router.control.status().await.expect("the status").services[0].trouble.is_none()
    })
    .await;
    assert_eq!(get(public, "/").await.body, "a");
}

#[tokio::test]
async fn a_split_that_cannot_be_written_does_not_take_effect() {
    let router = Router::start().await;
    let (a, b) = (Task::start("a").await, Task::start("b").await);
    let public = router.listen().await.public;
    let version = router.route([route('a', Role::Serving(1), &[a.address])]).await;
    // A folder in the file's place: even root cannot rename a file over it.
    let file = router.dir.join("router.json");
    fs::rename(&file, router.dir.join("kept")).expect("moved");
    fs::create_dir(&file).expect("a folder");
    let to = split([route('b', Role::Serving(1), &[b.address])]);
    let client = router.client();
    let failed = client.set(&fence(1), version, &to).await.expect_err("it cannot be written");
    assert_eq!((failed.kind(), failed.is_temporary()), (ErrorKind::Unavailable, true));
    assert_eq!(get(public, "/").await.body, "a");
    assert_eq!(client.split().await.expect("the split").1, version);

    fs::remove_dir(&file).expect("removed");
    client.set(&fence(1), version, &to).await.expect("now it can");
    assert_eq!(get(public, "/").await.body, "b");
}

#[tokio::test]
async fn what_a_killed_router_left_half_done_is_swept() {
    let folder = Arc::new(TempDir::new().expect("a folder"));
    let dir = folder.path().join("router");
    fs::create_dir_all(dir.join(".router-abc")).expect("a folder");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("its mode is set");
    fs::write(dir.join(".router-def"), "half a st").expect("a file");
    fs::write(dir.join("router.sock"), "").expect("a file");
    let router = Router::start_in(folder, "router").await;
    assert!(!dir.join(".router-abc").exists() && !dir.join(".router-def").exists());
    let version = router.client().split().await.expect("the split").1;
    assert_eq!(version, SplitVersion::default());
}
