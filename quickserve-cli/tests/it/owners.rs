//! Many commands at one service: one owner at a time, who can be waited for, steered, and followed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Shop, snapshot};

/// Makes the shop's releases bake for so long.
fn bake(shop: &Shop, time: &str) {
    shop.configure("");
    let path = shop.path().join("quickserve.toml");
    let text = std::fs::read_to_string(&path).expect("the file");
    shop.write("quickserve.toml", &text.replace("300ms", time));
}

/// Starts a command and waits for a line of its output.
fn start_until(
    mut command: Command,
    wanted: impl Fn(&Value) -> bool,
) -> (Child, BufReader<impl std::io::Read>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout"));
    let came = lines.by_ref().lines().map_while(Result::ok).any(|line| {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        wanted(&line)
    });
    if !came {
        let ended = child.wait().expect("an end");
        panic!("it ended before: {ended}");
    }
    (child, lines)
}

fn bakes(line: &Value) -> bool {
    line["kind"] == "step_started" && line["step"]["step"] == "bake"
}

fn status(shop: &Shop) -> Value {
    serde_json::from_str(&shop.run(&["status", "--format", "json"]).stdout).expect("an object")
}

#[test]
fn of_twenty_concurrent_deploys_one_proceeds_and_nineteen_name_the_holder() {
    let shop = Shop::with_images(&["1"]);
    // So long that the last one comes while the first one still holds the service.
    bake(&shop, "10m");
    let image = shop.image("1");
    let mut running: Vec<Child> =
        (0..20).map(|_| shop.start(&["deploy", "--image", &image, "--format", "json"])).collect();
    let mut busy = Vec::new();
    while running.len() > 1 {
        std::thread::sleep(Duration::from_millis(50));
        let ended = running.iter_mut().position(|child| child.try_wait().expect("a state").is_some());
        let Some(ended) = ended else { continue };
        busy.push(running.remove(ended).wait_with_output().expect("an end"));
    }
    let holder = running.remove(0);
    let in_flight = status(&shop)["in_flight"].clone();
    assert_eq!(in_flight["pid"], holder.id(), "{in_flight}");
    assert_eq!(busy.len(), 19);
    for output in busy {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let last: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).expect("JSON");
        assert_eq!((output.status.code(), &last["outcome"]), (Some(7), &"busy".into()), "{said}");
        let message = last["cause"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(&format!("(pid {}) holds the service", holder.id())), "{message}");
    }
    shop.ends(0, &["abort"]);
    assert_eq!(holder.wait_with_output().expect("an end").status.code(), Some(4));
    let history: Value =
        serde_json::from_str(&shop.run(&["history", "--format", "json"]).stdout).expect("an array");
    assert_eq!(history.as_array().map(Vec::len), Some(1), "{history}");
}

#[test]
fn a_wait_tells_who_holds_the_service_and_ends_with_its_time() {
    let shop = Shop::with_images(&["1", "2"]);
    bake(&shop, "5m");
    let command = shop.command(&["deploy", "--image", &shop.image("1"), "--format", "json"]);
    let (mut child, _lines) = start_until(command, bakes);
    snapshot("wait_timed_out", &shop.run(&["deploy", "--image", &shop.image("2"), "--wait", "2s"]));
    let waited = shop.run(&["deploy", "--image", &shop.image("2"), "--wait=1s", "--format", "json"]);
    assert_eq!(waited.code, 8, "{waited}");
    let told = waited.json_lines();
    assert!(told.iter().any(|line| line["kind"] == "waiting"), "{}", waited.stdout);
    shop.ends(0, &["abort"]);
    assert_eq!(child.wait().expect("an end").code(), Some(4));
}

#[test]
fn a_paused_deployment_waits_for_an_answer_from_any_terminal() {
    let shop = Shop::with_images(&["1", "2"]);
    bake(&shop, "3s");
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let deploy = ["deploy", "--image", &shop.image("2"), "--format", "json"];
    let (child, lines) = start_until(shop.command(&deploy), bakes);
    snapshot("pause_01_pause", &shop.run(&["pause"]));
    let (mut child, lines) = (child, lines.lines().map_while(Result::ok).collect::<Vec<_>>());
    assert_eq!(child.wait().expect("an end").code(), Some(6), "{lines:?}");
    let last: Value = serde_json::from_str(lines.last().expect("a line")).expect("JSON");
    assert_eq!((&last["outcome"], &last["exit_code"]), (&"paused".into(), &6.into()));
    assert_eq!(shop.version(), "2", "it had all traffic when it was paused");
    snapshot("pause_02_status", &shop.run(&["status"]));
    assert_eq!(status(&shop)["in_flight"]["paused"]["before"], "promote");
    let history = shop.run(&["history", "-n", "1"]);
    assert!(history.stdout.contains("  paused  "), "{history}");
    snapshot("pause_03_busy", &shop.run(&["deploy", "--image", &shop.image("1")]));
    snapshot("pause_04_resume", &shop.run(&["resume"]));
    snapshot("pause_05_promote", &shop.run(&["promote"]));
    assert_eq!((shop.version().as_str(), &status(&shop)["consistent"]), ("2", &true.into()));
    snapshot("pause_06_nothing", &shop.run(&["pause"]));

    // The same, aborted.
    let deploy = ["deploy", "--image", &shop.image("1"), "--format", "json"];
    let (mut child, _lines) = start_until(shop.command(&deploy), bakes);
    shop.ends(0, &["pause"]);
    assert_eq!(child.wait().expect("an end").code(), Some(6));
    snapshot("pause_07_abort", &shop.run(&["abort"]));
    assert_eq!((shop.version().as_str(), &status(&shop)["consistent"]), ("2", &true.into()));
}

#[test]
fn a_detached_deployment_goes_on_without_its_command_and_is_followed_again() {
    let shop = Shop::with_images(&["1"]);
    bake(&shop, "4s");
    let plain = ["deploy", "--image", &shop.image("1"), "--detach"];
    shop.ends(0, &plain);
    shop.ends(0, &["resume", "--quiet"]);
    let logs = shop.state().join("logs").join(format!("{}.local.log", shop.service));
    let log = std::fs::read_to_string(&logs).expect("a log");
    let timed = |line: &str| line.as_bytes().get(4) == Some(&b'-') && line.contains("Z ");
    assert!(log.lines().all(timed) && log.contains("Z deployed r-"), "each line has its time: {log}");
    shop.ends(0, &["down"]);
    std::fs::remove_file(&logs).expect("removed");
    let detached = shop.run(&["deploy", "--image", &shop.image("1"), "--detach", "--format", "json"]);
    assert_eq!(detached.code, 0, "{}", detached.stdout);
    let last = detached.json_lines().pop().expect("a line");
    assert_eq!(last["outcome"], "detached");
    let in_flight = status(&shop)["in_flight"].clone();
    assert_eq!(in_flight["deployment"], last["deployment"], "{in_flight}");
    let followed = shop.run(&["resume", "--format", "json"]);
    assert_eq!(followed.code, 0, "{}", followed.stdout);
    let end = followed.json_lines().pop().expect("a line");
    assert_eq!((&end["outcome"], &end["deployment"]), (&"done".into(), &last["deployment"]));
    assert_eq!(shop.version(), "1");
    let logs: Vec<_> = std::fs::read_dir(shop.state().join("logs")).expect("a folder").collect();
    assert_eq!(logs.len(), 1);
}

#[test]
fn a_detached_deployment_that_is_refused_says_so_with_its_exit_code() {
    let shop = Shop::with_images(&["1"]);
    snapshot("detach_refused", &shop.run(&["deploy", "--image", &shop.image("9"), "--detach"]));
    let refused = shop.run(&["deploy", "--image", &shop.image("9"), "--detach", "--format", "json"]);
    assert_eq!(refused.code, 3, "{refused}");
    assert_eq!(refused.json_lines().pop().expect("a line")["outcome"], "refused");
}
