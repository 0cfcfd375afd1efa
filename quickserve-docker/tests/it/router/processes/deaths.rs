//! Workers and parents that die, and a router that ends.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use quickserve_core::ErrorKind;
use quickserve_core::traffic::Role;
use quickserve_docker::router::{ListenSpec, RouterSettings, Supervisor, supervise};
use rustix::process::{Signal, kill_process, test_kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::super::support::{Client, Task, eventually, fence, get, named, route};
use super::support::{LINGER, Load, Processes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_is_replaced_at_once_and_no_connection_is_refused() {
    let router = Processes::start().await;
    let task = Task::start("a").await;
    let public = router.listen().await.public;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let load = Load::start(public, 8);
    let mut before = router.worker().await;
    for _ in 0..3 {
        load.flows(200).await;
        kill_process(before, Signal::KILL).expect("killed");
        // Its calls wait as connections do.
        let now = router.worker().await;
        assert_ne!(now, before);
        before = now;
    }
    load.flows(200).await;
    let seen = load.end().await;
    // Each death costs a client what it had in flight, and no more.
    let failures = seen.failures.load(SeqCst);
    assert!(failures <= 3 * 8, "{failures} failures");
    let status = router.control.status().await.expect("the status");
    let parent = status.supervision.expect("a parent");
    assert_eq!(parent.deaths, 3);
    assert!(parent.last_death.expect("how it ended").contains("SIGKILL"));
    assert!(parent.lost <= 3 * 8, "{} lost", parent.lost);
}

#[tokio::test]
async fn a_worker_that_dies_leaves_its_followers_to_the_next() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    router.route([route('a', Role::Serving(1), &[old.address])]).await;
    let mut kept = Client::connect(public).await;
    kept.get("/").await;
    router.upgrade(LINGER).await.expect("an upgrade");
    kill_process(router.worker().await, Signal::KILL).expect("killed");
    eventually("another serves", || async {
        let status = router.control.status().await.expect("the status");
        status.supervision.expect("a parent").deaths == 1
    })
    .await;
    assert_eq!(router.followers().await, 1);
    router.route([route('b', Role::Serving(1), &[new.address])]).await;
    assert_eq!(kept.get("/").await.body, "new");
    assert_eq!(old.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_parent_was_killed_serves_on_and_gets_another_parent() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let (parent, worker) = (router.parent().await, router.worker().await);
    let load = Load::start(public, 8);
    load.flows(50).await;
    kill_process(parent, Signal::KILL).expect("killed");
    eventually("it knows", || async {
        router.control.status().await.expect("the status").supervision.is_none()
    })
    .await;
    load.flows(50).await;
    assert_eq!(router.worker().await, worker);
    // Even now its services can listen elsewhere.
    let elsewhere = router.control.service(named("other"));
    let spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
    elsewhere.configure(&fence(1), &spec).await.expect("it listens");
    let refused = router.upgrade(LINGER).await.expect_err("nobody can");
    assert_eq!(refused.kind(), ErrorKind::Conflict);

    tokio::join!(router.ensure(), router.ensure(), router.ensure());
    eventually("one parent and the worker are left", || async { router.alive().len() == 2 }).await;
    let adopter = router.parent().await;
    assert_ne!(adopter, parent);
    assert_eq!(router.worker().await, worker);
    let another = Supervisor::new(RouterSettings::new(router.control.dir()), "/nowhere", [""; 0]);
    let refused = supervise(another, std::future::pending()).await.expect_err("there is one");
    assert!(refused.to_string().contains(&format!("(pid {})", adopter.as_raw_nonzero())), "{refused}");
    router.upgrade(LINGER).await.expect("an upgrade");
    load.flows(50).await;
    assert_eq!(load.end().await.failures.load(SeqCst), 0);
    eventually("the worker of before ends", || async { !router.alive().contains(&worker) }).await;
    let supervision = router.control.status().await.expect("the status").supervision;
    assert_eq!(supervision.expect("a parent").deaths, 0, "it ended as it should");
    // The new parent replaces a worker as the old one did.
    kill_process(router.worker().await, Signal::KILL).expect("killed");
    assert_eq!(get(public, "/").await.body, "a");
}

#[tokio::test]
async fn a_parent_that_retires_leaves_its_worker_to_the_next() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let (parent, worker) = (router.parent().await, router.worker().await);
    router.control.retire().await.expect("it retires");
    eventually("it is gone", || async {
        router.control.status().await.expect("the status").supervision.is_none()
    })
    .await;
    router.ensure().await;
    assert_ne!(router.parent().await, parent);
    assert_eq!(router.worker().await, worker);
    assert_eq!(get(public, "/").await.body, "a");
}

#[tokio::test]
async fn workers_that_die_before_they_serve_are_tried_again_until_one_does() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let file = router.control.dir().join("router.json");
    let state = std::fs::read(&file).expect("the state");
    let worker = router.worker().await;
    std::fs::write(&file, "half a st").expect("written");
    kill_process(worker, Signal::KILL).expect("killed");
    // Nobody can serve, and nobody is refused.
    let waiting = tokio::spawn(get(public, "/"));
    eventually("one has been replaced", || async { test_kill_process(worker).is_err() }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    std::fs::write(&file, &state).expect("written");
    assert_eq!(waiting.await.expect("an answer").body, "a");
    let parent = router.control.status().await.expect("the status").supervision.expect("a parent");
    assert!((2..10).contains(&parent.deaths), "{} deaths", parent.deaths);
}

#[tokio::test]
async fn a_router_whose_first_worker_cannot_serve_says_why() {
    let folder = TempDir::new().expect("a folder");
    let dir = folder.path().join("router");
    std::fs::create_dir(&dir).expect("a folder");
    std::fs::write(dir.join("router.json"), "half a st").expect("written");
    let supervisor = Supervisor::new(RouterSettings::new(&dir), "/bin/sh", ["-c", "exit 7"]);
    let failed = supervise(supervisor, std::future::pending()).await.expect_err("it cannot serve");
    assert!(failed.to_string().contains("exit status: 7"), "{failed}");
    assert!(!dir.join("router.sock").exists());
}

#[tokio::test]
async fn a_router_that_is_asked_to_end_leaves_no_process_and_no_socket() {
    for by_signal in [false, true] {
        let router = Processes::start().await;
        let public = router.listen().await.public;
        let task = Task::start("a").await;
        router.route([route('a', Role::Serving(1), &[task.address])]).await;
        let waiting = tokio::spawn(get(public, "/wait"));
        eventually("it is in flight", || async { task.requests() == 1 }).await;
        router.upgrade(LINGER).await.expect("an upgrade");
        let second = tokio::spawn(get(public, "/wait"));
        eventually("both are in flight", || async { task.requests() == 2 }).await;
        assert_eq!(router.alive().len(), 3);
        if by_signal {
            kill_process(router.parent().await, Signal::TERM).expect("asked");
        } else {
            router.control.shutdown(true).await.expect("asked");
        }
        eventually("nobody listens", || async { TcpStream::connect(public).await.is_err() }).await;
        // What was in flight, with the worker or a follower, has its answer.
        task.gate.add_permits(2);
        assert_eq!(waiting.await.expect("an answer").body, "a");
        assert_eq!(second.await.expect("an answer").body, "a");
        eventually("all are gone", || async { router.alive().is_empty() }).await;
        let mut left: Vec<_> = std::fs::read_dir(router.control.dir())
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        left.sort();
        assert_eq!(left, ["router.json", "router.lock", "router.log"]);
    }
}

#[tokio::test]
async fn one_whose_worker_does_not_answer_is_ended_by_force() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    kill_process(router.worker().await, Signal::STOP).expect("stopped");
    router.control.shutdown(true).await.expect("it ends all the same");
    eventually("all are gone", || async { router.alive().is_empty() }).await;
    assert!(TcpStream::connect(public).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn routers_that_are_started_at_once_become_one() {
    for _ in 0..3 {
        let router = Processes::none();
        tokio::join!(router.ensure(), router.ensure(), router.ensure());
        eventually("a parent and its worker are left", || async { router.alive().len() == 2 }).await;
        let alive = router.alive();
        for process in [router.parent().await, router.worker().await] {
            assert!(alive.contains(&process), "{process:?} of {alive:?}");
        }
    }
}

#[tokio::test]
async fn an_address_that_somebody_took_meanwhile_is_told_and_taken_when_it_is_free() {
    let router = Processes::start().await;
    let task = Task::start("a").await;
    let public = router.listen().await.public;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let both = [router.parent().await, router.worker().await];
    for process in both {
        kill_process(process, Signal::KILL).expect("killed");
    }
    eventually("both are gone", || async { router.alive().is_empty() }).await;
    // The last thread of a process closes its sockets, and may end after the process is not found any more.
    let taken = std::cell::OnceCell::new();
    eventually("the address is free", || async {
        std::net::TcpListener::bind(public).is_ok_and(|stranger| taken.set(stranger).is_ok())
    })
    .await;
    router.ensure().await;
    // The worker waits for its parent's answer while it counts what is in flight.
    let parent = router.parent().await;
    kill_process(parent, Signal::STOP).expect("stopped");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    kill_process(parent, Signal::CONT).expect("it goes on");
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let status = tokio::time::timeout(Duration::from_secs(5), router.control.status()).await;
        let status = status.expect("an answer in time").expect("the status");
        let trouble = status.services[0].trouble.clone().expect("it cannot listen");
        assert!(trouble.contains(&format!("(pid {})", std::process::id())), "{trouble}");
    }
    drop(taken);
    eventually("the address is taken back", || async { TcpStream::connect(public).await.is_ok() }).await;
    assert_eq!(get(public, "/").await.body, "a");
}
