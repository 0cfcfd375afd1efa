//! Signals, sudden deaths, and pipes that break.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Shop, docker, free_port, snapshot};

/// A shop whose second release is baking for a long time, and the process that watches it.
fn baking() -> (Shop, Child) {
    baking_as("")
}

/// The same, with more at the top of quickserve.toml.
fn baking_as(more: &str) -> (Shop, Child) {
    let shop = Shop::with_images(&["1", "2"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.configure(more);
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
        // What is on its way is no disagreement, and each task has its part.
        let status = shop.ends(0, &["status", "--format", "json"]).json();
        assert_eq!(
            (&status["consistent"], &status["amiss"]),
            (&true.into(), &serde_json::json!([])),
            "{status}"
        );
        let parts: Vec<&str> = status["tasks"]
            .as_array()
            .expect("tasks")
            .iter()
            .filter_map(|task| task["part"].as_str())
            .collect();
        assert!(parts.contains(&"serving") && parts.contains(&"standby") && parts.len() == 2, "{status}");
        assert_eq!(status["serving"][0]["tasks"], 1, "{status}");
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
fn an_interrupted_removal_brings_the_service_back() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let mut command = shop.command(&["down", "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
    let stdout = child.stdout.take().expect("stdout");
    let mut lines = BufReader::new(stdout).lines().map(|line| {
        serde_json::from_str::<serde_json::Value>(&line.expect("a line")).expect("a line of JSON")
    });
    assert!(lines.any(|line| line["kind"] == "step_started"), "it begins");
    signal(&child, Signal::INT);
    let finished = lines.last().expect("a last line");
    assert_eq!(child.wait().expect("an end").code(), Some(130), "{finished}");
    assert_eq!(finished["serving"].as_array().map(Vec::len), Some(1), "{finished}");
    assert_eq!(shop.version(), "1");
    let status = shop.run(&["status", "--format", "json"]).json_lines().remove(0);
    assert_eq!((&status["consistent"], &status["in_flight"]), (&true.into(), &().into()), "{status}");
    shop.ends(0, &["down"]);
}

#[test]
fn a_second_interrupt_leaves_all_as_it_is_and_says_what_serves() {
    // A task that is deaf makes the way back a long one.
    let (shop, mut child) =
        baking_as("stop_timeout = \"20s\"\nvariables = { STOREFRONT_FAIL_IGNORE_SIGTERM = \"1\" }");
    let told = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut told = told.map_while(Result::ok).map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        line
    });
    signal(&child, Signal::INT);
    assert!(told.any(|line| line["kind"] == "step_started" && line["step"]["step"] == "retire"));
    signal(&child, Signal::INT);
    let last = told.last().expect("a last line");
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    assert_eq!(last["cause"]["message"], "left in the middle, as asked", "{last}");
    assert_eq!(last["serving"][0]["weight"], 100, "{last}");
    docker(&[
        "kill",
        &docker(&["ps", "-lq", "--filter", &format!("label=dev.quickserve.service={}", shop.service)]),
    ]);
    shop.ends(0, &["abort", "--quiet"]);
}

#[test]
fn a_killed_deployment_is_found_and_resumed() {
    let (shop, mut child) = baking();
    child.kill().expect("killed");
    child.wait().expect("an end");
    let history = shop.run(&["history", "-n", "1"]);
    assert!(history.stdout.contains("  left  "), "{history}");
    snapshot("killed_status", &shop.run(&["status"]));
    let plan = shop.run(&["plan", "--image", &shop.image("1")]);
    assert!(plan.stdout.contains("deploy brings that to its end first"), "{plan}");
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    shop.write("quickserve.toml", &text.replace("5m", "300ms"));
    // The next deployment takes back what it finds unfinished, and goes on.
    snapshot("killed_then_deployed", &shop.run(&["deploy", "--image", &shop.image("1")]));
    assert_eq!(shop.version(), "1");
    snapshot("killed_nothing_left", &shop.run(&["resume"]));
}

#[test]
fn what_a_killed_deployment_left_is_taken_back_also_where_the_port_is_taken() {
    let (shop, mut child) = baking();
    child.kill().expect("killed");
    child.wait().expect("an end");
    let stranger = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let taken = stranger.local_addr().expect("an address").port();
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    let text = text.replace(&shop.port.to_string(), &taken.to_string());
    shop.write("quickserve.toml", &text.replace("5m", "300ms"));
    let restarted = shop.run(&["restart"]);
    assert_eq!(shop.version(), "1", "{restarted}");
    assert!(restarted.stderr.contains(&format!("127.0.0.1:{taken} is already in use")), "{restarted}");
    // By the stranger, that is.
    assert!(!restarted.stderr.contains("in use by the service"), "{restarted}");
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

#[test]
fn a_port_that_was_taken_while_a_deployment_waited_is_refused_under_the_lock() {
    let (shop, mut child) = baking();
    // It passes its checks, and waits.
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    let other = free_port();
    let text = text.replace(&shop.port.to_string(), &other.to_string());
    shop.write("quickserve.toml", &text.replace("[deploy]", "variables = { COLOUR = \"red\" }\n[deploy]"));
    let kept = || {
        let repository = format!("quickserve/{}.local", shop.service);
        docker(&["image", "ls", "--format", "{{.Tag}}", &repository]).lines().count()
    };
    let before = kept();
    shop.ends(7, &["deploy", "--image", &shop.image("1")]);
    let arguments = ["deploy", "--image", &shop.image("1"), "--wait", "--format", "json"];
    let mut waiting = shop.start(&arguments);
    let stdout = waiting.stdout.take().expect("stdout");
    let mut lines = BufReader::new(stdout).lines().map(|line| {
        serde_json::from_str::<serde_json::Value>(&line.expect("a line")).expect("a line of JSON")
    });
    assert!(lines.any(|line| line["kind"] == "waiting"), "it waits");
    let _listener = TcpListener::bind(("127.0.0.1", other)).expect("the port");
    shop.ends(0, &["abort"]);
    child.wait().expect("an end");

    let finished = lines.last().expect("a last line");
    assert_eq!(waiting.wait().expect("an end").code(), Some(3), "{finished}");
    assert_eq!(finished["outcome"], "refused", "{finished}");
    assert_eq!(finished["findings"][0]["code"], "QS201", "{finished}");
    assert_eq!(shop.version(), "1");
    let status = shop.run(&["status", "--format", "json"]).json_lines().remove(0);
    assert_eq!(status["serving"].as_array().map(Vec::len), Some(1), "{status}");
    // Neither the busy one nor the refused one has left a tag that keeps its image.
    assert_eq!(kept(), before);
}
