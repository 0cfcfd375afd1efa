//! Upgrades, and the workers of before that finish what they have begun.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Response};
use quickserve_core::ErrorKind;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::traffic::{Role, SplitVersion, TrafficRouter as _};
use quickserve_docker::router::ListenSpec;
use rustix::process::{Signal, kill_process, test_kill_process};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::super::sharing::{any, ask, serve};
use super::super::support::{
    Client, Task, channel, empty, eventually, fence, full, get, key, named, piece, release, request, rest,
    route, split,
};
use super::support::{LINGER, Load, Processes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_under_load_fails_no_request_and_keeps_what_lasts() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let (events, body) = channel();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let task = Task::custom(move |mut asked| {
        let events = (asked.uri().path() == "/events").then(|| body.lock().expect("the body").take());
        async move {
            match asked.uri().path() {
                "/events" => Response::new(events.flatten().unwrap_or_else(empty)),
                "/echo" => Response::new(http_body_util::BodyExt::boxed(asked.into_body())),
                "/ws" => {
                    let key = asked.headers()["sec-websocket-key"].as_bytes();
                    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key);
                    let upgrade = hyper::upgrade::on(&mut asked);
                    tokio::spawn(async move {
                        let io = hyper_util::rt::TokioIo::new(upgrade.await.expect("an upgrade"));
                        let role = tokio_tungstenite::tungstenite::protocol::Role::Server;
                        let mut socket =
                            tokio_tungstenite::WebSocketStream::from_raw_socket(io, role, None).await;
                        while let Some(Ok(message)) = socket.next().await {
                            if message.is_text() {
                                let _ = socket.send(message).await;
                            }
                        }
                    });
                    Response::builder()
                        .status(101)
                        .header("connection", "upgrade")
                        .header("upgrade", "websocket")
                        .header("sec-websocket-accept", accept)
                        .body(empty())
                        .expect("an answer")
                }
                _ => Response::new(full("a")),
            }
        }
    })
    .await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;

    let mut streaming = Client::connect(public).await;
    let mut stream =
        streaming.send(request(Method::GET, "/events", empty())).await.expect("an answer").into_body();
    let socket = TcpStream::connect(public).await.expect("a connection");
    let (mut socket, _) =
        tokio_tungstenite::client_async(format!("ws://{public}/ws"), socket).await.expect("a websocket");
    let mut idle = Client::connect(public).await;
    idle.get("/").await;

    let load = Load::start(public, 32);
    load.flows(500).await;
    let mut workers = vec![router.worker().await];
    for _ in 0..2 {
        router.upgrade(LINGER).await.expect("an upgrade");
        workers.push(router.worker().await);
        load.flows(500).await;
    }
    workers.dedup();
    assert_eq!(workers.len(), 3, "each upgrade is another process");
    let seen = load.end().await;
    assert_eq!(seen.failures.load(SeqCst), 0);
    assert!(seen.closed.load(SeqCst) >= 32, "clients were led to the new worker");

    // What lasts goes on, in the worker that it began in.
    events.send("data: 1\n\n".into()).expect("the stream is open");
    assert_eq!(piece(&mut stream).await, "data: 1\n\n");
    socket.send(Message::text("hello")).await.expect("sent");
    assert_eq!(socket.next().await.expect("more").expect("no failure"), Message::text("hello"));
    // A connection that was idle all the time is still good for a request, the last one.
    let seen = idle.get("/").await;
    assert_eq!((seen.status.as_u16(), seen.headers["connection"].to_str().expect("text")), (200, "close"));

    eventually("only the first of them is left", || async { router.followers().await == 1 }).await;
    assert_eq!(test_kill_process(workers[0]), Ok(()));
    drop(events);
    drop((stream, streaming, idle));
    socket.close(None).await.expect("closed");
    drop(socket);
    eventually("the first worker has ended", || async { router.followers().await == 0 }).await;
    eventually("none is left but parent and worker", || async { router.alive().len() == 2 }).await;
    let parent = router.control.status().await.expect("the status").supervision.expect("a parent");
    assert_eq!((parent.deaths, parent.last_death, parent.lost), (0, None, 0));
}

#[tokio::test]
async fn a_split_set_after_an_upgrade_holds_in_followers_too() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    router.route([route('a', Role::Serving(1), &[old.address])]).await;
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(public).await;
        assert_eq!(client.get("/").await.body, "old");
        kept.push(client);
    }
    let waiting = tokio::spawn(get(public, "/wait"));
    eventually("it is with the old task", || async { old.requests() == 5 }).await;
    router.upgrade(LINGER).await.expect("an upgrade");

    let client = router.control.service(key());
    let task = TaskId(old.address.to_string());
    assert_eq!(client.in_flight().await.expect("numbers").get(&task), Some(&1), "with a follower");
    router.route([route('b', Role::Serving(1), &[new.address])]).await;
    for client in &mut kept {
        assert_eq!(client.get("/").await.body, "new");
    }
    assert_eq!(old.requests(), 5);
    assert_eq!(client.in_flight().await.expect("numbers").get(&task), Some(&1));
    old.gate.add_permits(1);
    assert_eq!(waiting.await.expect("an answer").body, "old");
    eventually("nothing is in flight", || async { client.in_flight().await.expect("numbers").is_empty() })
        .await;
    let counters = client.counters().await.expect("the counters");
    assert_eq!((counters[&release('a')].requests, counters[&release('b')].requests), (5, 4));
    // Their connections are over, so the follower ends and what it has answered is not forgotten.
    drop(kept);
    eventually("it has ended", || async { router.followers().await == 0 }).await;
    assert_eq!(client.counters().await.expect("the counters"), counters);
}

#[tokio::test]
async fn a_follower_that_does_not_obey_is_killed_rather_than_believed() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let (old, new) = (Task::start("old").await, Task::start("new").await);
    router.route([route('a', Role::Serving(1), &[old.address])]).await;
    let mut kept = Client::connect(public).await;
    kept.get("/").await;
    let before = router.worker().await;
    router.upgrade(LINGER).await.expect("an upgrade");
    kill_process(before, Signal::STOP).expect("stopped");
    router.route([route('b', Role::Serving(1), &[new.address])]).await;
    assert!(kept.try_get("/").await.is_err(), "its connections end with it");
    assert_eq!((old.requests(), get(public, "/").await.body.as_str()), (1, "new"));
}

#[tokio::test]
async fn what_a_follower_has_not_finished_in_time_is_cut() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let waiting = tokio::spawn(async move {
        let mut client = Client::connect(public).await;
        client.try_get("/wait").await.is_err()
    });
    eventually("it is in flight", || async { task.requests() == 1 }).await;
    router.upgrade(Duration::from_millis(100)).await.expect("an upgrade");
    assert!(waiting.await.expect("no panic"), "it was cut");
    eventually("it has ended", || async { router.followers().await == 0 }).await;
}

#[tokio::test]
async fn an_executable_that_is_no_router_changes_nothing() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let before = router.worker().await;
    let load = Load::start(public, 4);
    let script = ["-c", "echo it is cursed >&2; exit 3"].map(str::to_owned);
    let failed = router.control.upgrade(Path::new("/bin/sh"), &script, LINGER).await.expect_err("no router");
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    let causes = failed.causes().join(": ");
    assert!(causes.contains("exit status: 3") && causes.contains("it is cursed"), "{causes}");
    let failed = router.control.upgrade(Path::new("/nonexistent"), &[], LINGER).await.expect_err("nothing");
    assert!(failed.to_string().contains("/nonexistent"), "{failed}");
    // One that stays and says nothing is given up.
    let failed = router.control.upgrade(Path::new("/bin/sleep"), &["100".to_owned()], LINGER).await;
    let causes = failed.expect_err("it says nothing").causes().join(": ");
    assert!(causes.contains("did not get ready within"), "{causes}");
    load.flows(20).await;
    assert_eq!(load.end().await.failures.load(SeqCst), 0);
    assert_eq!(router.worker().await, before);
    eventually("they are gone", || async { router.alive().len() == 2 }).await;
    router.upgrade(LINGER).await.expect("a good one works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_gives_no_request_to_another_service_of_the_same_port() {
    let router = Processes::start().await;
    let (public, _first) = serve(&router.control, "first", any(), "").await;
    let (_, _shop) = serve(&router.control, "shop", public, "shop.test").await;
    let shared = Arc::new((AtomicBool::new(false), AtomicU64::new(0)));
    let clients = [(); 8].map(|()| {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let (over, answers) = &*shared;
            while !over.load(SeqCst) {
                // Each waits in the backlog while no worker accepts.
                let (status, body) = ask(&mut Client::connect(public).await, "shop.test", "/").await;
                assert_eq!((status.as_u16(), body.as_str()), (200, "shop"));
                answers.fetch_add(1, SeqCst);
            }
        })
    });
    let (over, answers) = &*shared;
    for _ in 0..5 {
        let before = answers.load(SeqCst);
        eventually("requests flow", || async { answers.load(SeqCst) > before + 50 }).await;
        router.upgrade(LINGER).await.expect("an upgrade");
    }
    over.store(true, SeqCst);
    for client in clients {
        client.await.expect("only answers of its own");
    }
}

#[tokio::test]
async fn an_upgrade_of_an_idle_router_is_one_and_is_answered() {
    let router = Processes::start().await;
    for _ in 0..3 {
        let before = router.worker().await;
        router.upgrade(LINGER).await.expect("an upgrade");
        assert_ne!(router.worker().await, before);
        eventually("the worker of before has ended", || async { router.alive().len() == 2 }).await;
    }
}

#[tokio::test]
async fn a_death_at_any_moment_of_an_upgrade_leaves_a_router_that_serves() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    for (moment, the_next_dies) in (0..8).flat_map(|moment| [(moment, false), (moment, true)]) {
        let (parent, before) = (router.parent().await, router.worker().await);
        let death = async {
            tokio::time::sleep(Duration::from_millis(25) * moment).await;
            let next = router.alive().into_iter().find(|process| ![parent, before].contains(process));
            let victim = if the_next_dies { next } else { Some(before) };
            if let Some(victim) = victim {
                let _ = kill_process(victim, Signal::KILL);
            }
            TcpStream::connect(public).await.expect("nobody is refused");
            eventually("it is gone", || async { victim.is_none_or(|one| !router.alive().contains(&one)) })
                .await;
        };
        // Whether it is one depends on who dies when.
        let _ = tokio::join!(router.upgrade(LINGER), death);
        eventually("a parent and its worker are left", || async { router.alive().len() == 2 }).await;
        assert_eq!(router.parent().await, parent);
        assert_eq!(get(public, "/").await.body, "a");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_that_fails_while_the_worker_of_before_hands_over_refuses_nobody() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let (parent, before) = (router.parent().await, router.worker().await);
    let death = async {
        let next = loop {
            if let Some(next) = router.alive().into_iter().find(|process| ![parent, before].contains(process))
            {
                break next;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        kill_process(before, Signal::STOP).expect("stopped");
        // The next one gets ready meanwhile, and this one is told to hand over.
        tokio::time::sleep(Duration::from_millis(500)).await;
        kill_process(next, Signal::KILL).expect("killed");
        eventually("it is gone", || async { !router.alive().contains(&next) }).await;
        kill_process(before, Signal::CONT).expect("goes on");
        for _ in 0..200 {
            assert_eq!(get(public, "/").await.body, "a");
        }
    };
    // A call that lost its answer is made again, so the upgrade may be one in the end.
    let _ = tokio::join!(router.upgrade(LINGER), death);
    assert_eq!(router.parent().await, parent);
}

#[tokio::test]
async fn services_behind_one_address_are_handed_over_together() {
    let router = Processes::start().await;
    let public = router.listen().await.public;
    let shop = Task::start("shop").await;
    router.route([route('a', Role::Serving(1), &[shop.address])]).await;
    let other = router.control.service(named("other"));
    let mut spec = ListenSpec::new(public);
    spec.rule.hosts = vec!["other.test".parse().expect("a host")];
    other.configure(&fence(1), &spec).await.expect("it listens");
    let task = Task::start("other").await;
    let to = split([route('a', Role::Serving(1), &[task.address])]);
    other.set(&fence(1), SplitVersion::default(), &to).await.expect("set");
    let ask = async |client: &mut Client, host: &str| {
        let asked = http::Request::get("/").header("host", host).body(empty()).expect("a request");
        let answer = client.send(asked).await.expect("an answer");
        (answer.status().as_u16(), rest(answer.into_body()).await)
    };
    let mut kept = Client::connect(public).await;
    for _ in 0..2 {
        assert_eq!(ask(&mut kept, "other.test").await.1, "other");
        router.upgrade(LINGER).await.expect("an upgrade");
        let mut fresh = Client::connect(public).await;
        assert_eq!(ask(&mut fresh, "other.test").await.1, "other");
        assert_eq!(ask(&mut fresh, "shop.test").await.1, "shop");
        // The one of before finishes what it has, and asks its client to connect anew.
        assert_eq!(ask(&mut kept, "shop.test").await.1, "shop");
        kept = fresh;
    }
    // A worker of before does not know who came later, and says that it is the wrong one to ask.
    spec.rule.hosts = vec!["other.test".parse().expect("a host"), "late.test".parse().expect("a host")];
    let first = router.control.service(key());
    let mut own = ListenSpec::new(public);
    own.rule.hosts = vec!["shop.test".parse().expect("a host")];
    first.configure(&fence(1), &own).await.expect("it listens");
    router.upgrade(LINGER).await.expect("an upgrade");
    other.configure(&fence(1), &spec).await.expect("it listens");
    assert_eq!(ask(&mut kept, "late.test").await.0, 421);
    assert_eq!(ask(&mut Client::connect(public).await, "late.test").await.1, "other");
}
