//! What the router is asked to show: metrics and the access log.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::support::{Shop, free_port, snapshot};

/// What is at `/metrics`, where somebody answers.
fn metrics(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn a_deployment_opens_metrics_and_the_access_log_and_a_restart_closes_them() {
    let shop = Shop::with_images(&["1"]);
    snapshot("router_logs_access_nothing", &shop.run(&["router", "logs", "--access"]));
    let port = free_port();
    shop.configure(&format!("[router]\nmetrics_port = {port}\naccess_log = true\n"));
    let deployed = shop.run(&["deploy", "--image", &shop.image("1")]);
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!(shop.get("/version?token=secret").expect("an answer").0, 200);

    let text = metrics(port).expect("metrics");
    let release = shop.identity()["release"].as_str().expect("a release").to_owned();
    let sample = format!(
        "quickserve_release_weight{{service=\"{}\",environment=\"local\",release=\"{release}",
        shop.service
    );
    assert!(text.contains(&sample), "{sample} {text}");
    let status = shop.run(&["router", "status"]);
    assert!(status.stdout.contains(" ms"), "{status}");

    let log = shop.run(&["router", "logs", "--access", "-n", "1000"]);
    let lines: Vec<Value> =
        log.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let line = lines.iter().find(|line| line["path"] == "/version").expect("the request");
    assert_eq!((&line["status"], &line["complete"]), (&200.into(), &true.into()), "{line}");
    assert!(line["release"].as_str().is_some_and(|name| name.starts_with(&release)), "{line}");
    assert!(!log.stdout.contains("secret"), "{log}");

    // What is taken from the file goes with the next act that changes where requests go.
    shop.configure("");
    shop.ends(0, &["restart"]);
    assert_eq!(metrics(port), None);
    let before = shop.run(&["router", "logs", "--access"]).stdout;
    assert_eq!(shop.get("/version").expect("an answer").0, 200);
    assert_eq!(shop.run(&["router", "logs", "--access"]).stdout, before);
}

#[test]
fn a_metrics_port_that_is_held_is_refused_before_anything_changes() {
    let shop = Shop::with_images(&["1"]);
    let stranger = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = stranger.local_addr().expect("an address").port();
    shop.configure(&format!("[router]\nmetrics_port = {port}\n"));
    let ran = shop.run(&["deploy", "--image", &shop.image("1")]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stderr.contains(&format!("QS201 metrics port {port} is held by process ")), "{ran}");
    assert!(ran.stderr.contains("hint: stop it, or choose another metrics_port"), "{ran}");
    assert!(!shop.state().join("router").exists(), "no router was started");
}
