//! Signals, sudden deaths, and pipes that break.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Shop, snapshot};

/// A shop whose second release is baking for a long time, and the process that watches it.
fn baking() -> (Shop, Child) {
    let shop = Shop::with_images(&["1", "2"]);
    assert_eq!(shop.run(&["deploy", "--image", &shop.image("1")]).code, 0);
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    shop.write("quickserve.toml", &text.replace("300ms", "5m"));
    let mut command = shop.command(&["deploy", "--image", &shop.image("2"), "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
    let stdout = child.stdout.as_mut().expect("stdout");
    let bakes = BufReader::new(stdout).lines().any(|line| {
        let line: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        line["kind"] == "step_started" && line["step"]["step"] == "bake"
    });
    if !bakes {
        let ended = child.wait().expect("an end");
        panic!("it never baked: {ended}");
    }
    (shop, child)
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).expect("a signal");
}

#[test]
fn an_interrupt_takes_the_deployment_back() {
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (shop, mut child) = baking();
        signal(&child, sent);
        assert_eq!(child.wait().expect("an end").code(), Some(code));
        assert_eq!(shop.version(), "1");
        let history = shop.run(&["history", "-n", "1"]);
        assert!(history.stdout.contains("interrupted"), "{}", history.stdout);
        let status: serde_json::Value =
            serde_json::from_str(&shop.run(&["status", "--format", "json"]).stdout).expect("JSON");
        assert_eq!(status["consistent"], true, "{status}");
    }
}

#[test]
fn a_killed_deployment_is_found_and_resumed() {
    let (shop, mut child) = baking();
    child.kill().expect("killed");
    child.wait().expect("an end");
    snapshot("killed_status", &shop.run(&["status"]));
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    shop.write("quickserve.toml", &text.replace("5m", "300ms"));
    // The next deployment takes back what it finds unfinished, and goes on.
    snapshot("killed_then_deployed", &shop.run(&["deploy", "--image", &shop.image("1")]));
    assert_eq!(shop.version(), "1");
    snapshot("killed_nothing_left", &shop.run(&["resume"]));
}

#[test]
fn an_abort_from_elsewhere_takes_a_living_deployment_back() {
    let (shop, mut child) = baking();
    snapshot("busy", &shop.run(&["deploy", "--image", &shop.image("1")]));
    let waiting = shop.start(&["deploy", "--image", &shop.image("1"), "--wait"]);
    let aborted = shop.run(&["abort"]);
    assert_eq!(aborted.code, 0, "{}", aborted.stderr);
    // Its own end is a deployment taken back.
    assert_eq!(child.wait().expect("an end").code(), Some(4));
    let waited = waiting.wait_with_output().expect("an end");
    assert_eq!(waited.status.code(), Some(0), "{}", String::from_utf8_lossy(&waited.stderr));
    assert_eq!(shop.version(), "1");
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let shop = Shop::with_images(&["1"]);
    for format in ["json", "human"] {
        let mut child = shop.start(&["deploy", "--image", &shop.image("1"), "--format", format]);
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().expect("an end").code(), Some(0), "{format}");
    }
    assert_eq!(shop.version(), "1");
    let mut history = shop.start(&["history"]);
    drop(history.stdout.take());
    assert_eq!(history.wait().expect("an end").code(), Some(0));
}
