//! Owners that are stopped in the middle, taken over, and woken: on a real engine, at every step of a deployment.
//!
//! The stream of events says where a deployment is. Its process is stopped (SIGSTOP) when a step begins; another
//! command takes over once the lease has run out; then the first one is woken (SIGCONT), in the middle of
//! whatever it was about to do.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Shop, docker};

/// Who takes over.
#[derive(Debug, Clone, Copy)]
enum Taker {
    /// Follows the owner until it is known to be gone, and goes on.
    Resume,
    /// Takes back.
    Abort,
    /// Waits for its turn, takes back, and deploys what serves.
    Deploy,
}

/// A deployment in a process of its own.
struct Owner {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Owner {
    fn deploy(shop: &Shop, image: &str) -> Self {
        let mut command = shop.command(&["deploy", "--image", image, "--retry", "--format", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("stdout"));
        Self { child, lines }
    }

    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = self.lines.read_line(&mut line).expect("a line");
        (length > 0).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    /// Reads on to the nth step, from 0, and answers with its name; nothing where there are fewer.
    fn reach(&mut self, step: usize) -> Option<String> {
        let mut begun = 0;
        while let Some(line) = self.next() {
            if line["kind"] != "step_started" {
                continue;
            }
            if begun == step {
                return Some(line["step"]["step"].to_string());
            }
            begun += 1;
        }
        None
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// Its exit code, and its last event.
    fn end(mut self) -> (Option<i32>, Value) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("text");
        let last = rest.lines().last().map(|line| serde_json::from_str(line).expect("JSON"));
        (self.child.wait().expect("an end").code(), last.unwrap_or_default())
    }
}

fn status(shop: &Shop) -> Value {
    serde_json::from_str(&shop.run(&["status", "--format", "json"]).stdout).expect("an object")
}

/// A shop whose lease is short, with its first release deployed.
fn shop() -> Shop {
    let shop = Shop::with_images(&["1", "2"]);
    let path = shop.path().join("quickserve.toml");
    let text = std::fs::read_to_string(&path).expect("the file");
    shop.write("quickserve.toml", &text.replace("[deploy]\n", "[deploy]\nlease = \"2s\"\n"));
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop
}

/// Stops an owner at one step, and lets the taker take over. Answers whether it was stopped before its end;
/// nothing when there is no such step.
fn stop_and_take_over(shop: &Shop, step: usize, taker: Taker) -> Option<bool> {
    let old = shop.version();
    let new = if old == "1" { "2" } else { "1" };
    let mut owner = Owner::deploy(shop, &shop.image(new));
    let Some(name) = owner.reach(step) else {
        assert_eq!(owner.end().0, Some(0));
        return None;
    };
    owner.signal(Signal::STOP);
    let place = format!("stopped at step {step}, {name}, {taker:?}");
    if status(shop)["in_flight"].is_null() {
        // It was faster than the signal: the last step begins and the deployment ends within milliseconds.
        owner.signal(Signal::CONT);
        assert_eq!(owner.end().0, Some(0), "{place}");
        return Some(false);
    }
    let image = shop.image(&old);
    let taken = match taker {
        Taker::Resume => shop.run(&["resume"]),
        Taker::Abort => shop.run(&["abort"]),
        Taker::Deploy => shop.run(&["deploy", "--image", &image, "--retry", "--wait", "5m"]),
    };
    let (version, before) = (shop.version(), status(shop));
    // An abort of what is promoted comes too late.
    let code = if matches!(taker, Taker::Abort) && version == new { 3 } else { 0 };
    assert_eq!(taken.code, code, "{place}: {}", taken.stderr);
    assert_eq!(before["consistent"], true, "{place}: {before}");
    assert_eq!(before["serving"].as_array().map(Vec::len), Some(1), "{place}: {before}");
    if matches!(taker, Taker::Deploy) {
        assert_eq!(version, old, "{place}");
    }

    owner.signal(Signal::CONT);
    let (code, last) = owner.end();
    assert_eq!((code, &last["outcome"]), (Some(7), &"superseded".into()), "{place}: {last}");
    let after = status(shop);
    assert_eq!((shop.version(), &after["serving"]), (version.clone(), &before["serving"]), "{place}");

    let next = shop.run(&["resume"]);
    assert_eq!(next.code, 0, "{place}: {}", next.stderr);
    assert_eq!(shop.version(), version, "{place}");
    assert_eq!(status(shop)["consistent"], true, "{place}");
    let filter = format!("label=dev.quickserve.service={}", shop.service);
    let left = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
    assert_eq!(left.lines().count(), 1, "{place}: {left}");
    Some(true)
}

/// Every third step from the first one on that is this taker's.
fn at_every_third_step(first: usize, taker: Taker) {
    let shop = shop();
    let (mut step, mut stopped) = (first, 0);
    while let Some(in_flight) = stop_and_take_over(&shop, step, taker) {
        step += 3;
        stopped += u32::from(in_flight);
    }
    assert!(stopped > 2, "{stopped} of the steps up to {step} were stopped");
}

#[test]
fn an_owner_that_wakes_after_a_resume_changes_nothing() {
    at_every_third_step(0, Taker::Resume);
}

#[test]
fn an_owner_that_wakes_after_an_abort_changes_nothing() {
    at_every_third_step(1, Taker::Abort);
}

#[test]
fn an_owner_that_wakes_after_another_deployment_changes_nothing() {
    at_every_third_step(2, Taker::Deploy);
}
