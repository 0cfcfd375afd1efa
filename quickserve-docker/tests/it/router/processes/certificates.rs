//! Certificates and TLS, while workers come and go.

use std::time::Duration;

use quickserve_core::traffic::Role;
use quickserve_docker::router::{ListenSpec, Tls};
use rustix::process::{Signal, kill_process};
use tokio::net::TcpStream;

use super::super::sharing::{any, ask, serve};
use super::super::support::{Client, Task, eventually, fence, get, listener, named, route};
use super::super::tls::{ask_h1_of, connect, make};
use super::support::{LINGER, Processes};

#[tokio::test]
async fn an_upgrade_that_would_close_a_port_for_want_of_its_certificate_is_refused() {
    let router = Processes::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let tls = make(folder.path(), "shop.test");
    let public = router.listen_with(|options| options.tls = Some(tls)).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let (trusted, aside) = (folder.path().join("certificate.pem"), folder.path().join("aside.pem"));
    std::fs::rename(&trusted, &aside).expect("moved");
    let before = router.worker().await;
    let refused = router.upgrade(LINGER).await.expect_err("the port would be closed");
    let said = refused.causes().join(": ");
    assert!(said.contains("storefront/local") && said.contains("certificate.pem"), "{said}");
    assert_eq!(router.worker().await, before);
    let stream = connect(public, &aside, "shop.test", &[]).await.expect("the certificate that it has");
    assert_eq!(ask_h1_of(stream, "shop.test").await, "a");

    // A port that is closed already loses nothing by it.
    kill_process(before, Signal::KILL).expect("killed");
    eventually("it has trouble", || async {
        let status = router.control.status().await.expect("the status");
        status.services[0].trouble.is_some()
    })
    .await;
    router.upgrade(LINGER).await.expect("an upgrade");
    std::fs::rename(&aside, &trusted).expect("moved back");
    eventually("it is back", || async { connect(public, &trusted, "shop.test", &[]).await.is_ok() }).await;
    router.upgrade(LINGER).await.expect("an upgrade");
}

#[tokio::test]
async fn one_that_moves_to_tls_leaves_its_neighbours_plain_while_followers_are_told() {
    let router = Processes::start().await;
    let (public, _shop) = serve(&router.control, "shop", any(), "shop.test").await;
    let (_, _other) = serve(&router.control, "other", public, "other.test").await;
    let mut kept = Client::connect(public).await;
    assert_eq!(ask(&mut kept, "shop.test", "/").await.1, "shop");
    let before = router.worker().await;
    router.upgrade(LINGER).await.expect("an upgrade");
    // It is told, and given up after a while.
    kill_process(before, Signal::STOP).expect("stopped");
    let mut spec = ListenSpec::new(listener().await.local_addr().expect("an address"));
    spec.rule.hosts = vec!["other.test".parse().expect("a host")];
    spec.options.tls = Some(Tls::Local);
    let (moved, other) = (spec.public, router.control.service(named("other")));
    let moves = tokio::spawn(async move { other.configure(&fence(1), &spec).await });
    eventually("it is where it moves", || async { TcpStream::connect(moved).await.is_ok() }).await;
    for _ in 0..20 {
        let (status, body) = ask(&mut Client::connect(public).await, "shop.test", "/").await;
        assert_eq!((status.as_u16(), body.as_str()), (200, "shop"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!moves.is_finished(), "the follower was told at once");
    moves.await.expect("no panic").expect("it listens");
    assert_eq!(get(moved, "/").await.status, 308);
}
