//! Machines that share a journal on S3: its lock, its history, its way back.

use std::io::{BufRead, BufReader};
use std::process::Child;

use serde_json::Value;

use super::cloud::Cloud;
use super::machine::Machine;
use super::{finished, outcomes, serving, status};
use crate::support::Shop;

/// Waits until a command on another machine begins this step.
fn until(child: &mut Child, step: &str) -> impl BufRead + use<> {
    let mut lines = BufReader::new(child.stdout.take().expect("stdout"));
    loop {
        let mut line = String::new();
        let read = lines.read_line(&mut line).expect("a line");
        assert!(read > 0, "it ended before {step}: {:?}", child.wait());
        let line: Value = serde_json::from_str(&line).expect("JSON");
        if line["kind"] == "step_started" && line["step"]["step"] == step {
            return lines;
        }
    }
}

/// The exit code of a command whose output is read to its end.
fn code(mut child: Child, lines: impl BufRead) -> Option<i32> {
    lines.lines().map_while(Result::ok).for_each(drop);
    child.wait().expect("an end").code()
}

#[test]
fn what_a_machine_left_half_done_another_brings_to_its_end() {
    let mut cloud = Cloud::open();
    let (one, two, three) = (cloud.push("1"), cloud.push("2"), cloud.push("3"));
    cloud.share("lease = \"3s\"\nbake_time = \"1s\"");
    let runner = Machine::new(&cloud, "runner-1", &one);
    cloud.ends(0, &["deploy", "--image", &one]);
    assert_eq!(runner.ends(0, &["history", "--format", "json"]).json()[0]["outcome"], "done");

    let mut deploy = runner.start(&["deploy", "--image", &two, "--format", "json"]);
    let lines = until(&mut deploy, "roll_out");
    runner.die();
    code(deploy, lines);
    let left = cloud.run(&["status", "--format", "json"]).json();
    assert_eq!(left["in_flight"]["by"], "grace@runner-1", "{left:#}");
    // Nobody can look at its process from here: its lease is watched.
    assert_eq!(left["in_flight"]["owner"], "unknown", "{left:#}");
    cloud.ends(0, &["resume"]);
    let now = status(&cloud);
    assert_eq!((&now["consistent"], &now["in_flight"]), (&true.into(), &Value::Null), "{now:#}");
    let (second, _) = serving(&now);

    // Whoever deploys next need not know of it.
    let mut deploy = runner.start(&["deploy", "--image", &three, "--format", "json"]);
    let lines = until(&mut deploy, "bake");
    runner.die();
    code(deploy, lines);
    let image = format!("app={one}");
    let deployed = finished(&cloud.ends(0, &["deploy", "--image", &image, "--format", "json"]));
    assert_ne!(serving(&deployed).0, second);
    assert_eq!(status(&cloud)["consistent"], true);
    // The release that was left is not called bad: it was watched to no end.
    let ended = outcomes(&cloud);
    assert_eq!(ended.len(), 4, "{ended:?}");
    assert!(ended.iter().all(|entry| entry == "deploy done"), "{ended:?}");
    // What is kept on this machine is no part of it.
    assert!(!cloud.shop.state().join("journal").exists());
    assert_eq!(runner.ends(0, &["status", "--format", "json"]).json()["serving"], status(&cloud)["serving"]);
}

#[test]
fn of_two_machines_one_deploys_and_the_other_learns_who_and_steers_it() {
    let mut cloud = Cloud::open();
    let (one, two) = (cloud.push("1"), cloud.push("2"));
    // Its lease is looked at twice, which takes a part of it.
    cloud.share("lease = \"6s\"\nbake_time = \"20s\"");
    let runner = Machine::new(&cloud, "runner-1", &one);
    let deploy = |image: &str| ["deploy", "--image", image, "--format", "json"].map(str::to_owned);
    let begin = |image: &str| {
        let arguments = deploy(image);
        let mut child = runner.start(&arguments.each_ref().map(String::as_str));
        let lines = until(&mut child, "bake");
        (child, lines)
    };

    let (child, lines) = begin(&one);
    let busy = finished(&cloud.ends(7, &["deploy", "--image", &two, "--format", "json"]));
    assert_eq!(busy["outcome"], "busy");
    assert!(busy["cause"]["message"].to_string().contains("grace@runner-1"), "{busy:#}");
    cloud.ends(0, &["pause"]);
    assert_eq!(code(child, lines), Some(6));
    assert_eq!(status(&cloud)["in_flight"]["paused"]["before"], "promote");
    cloud.ends(0, &["promote"]);
    let (first, _) = serving(&status(&cloud));

    let (child, lines) = begin(&two);
    cloud.ends(0, &["abort"]);
    assert_eq!(code(child, lines), Some(4));
    assert_eq!(serving(&status(&cloud)).0, first);

    runner.ends(0, &["lock", "--reason", "stock-taking"]);
    let locked = cloud.ends(7, &["deploy", "--image", &two, "--retry"]);
    assert!(locked.stderr.contains("grace@runner-1") && locked.stderr.contains("stock-taking"), "{locked}");
    cloud.ends(0, &["unlock"]);

    // One that waits for its turn gets it, and finds what the other has deployed.
    cloud.configure("s3://acme-deploy/journal", "lease = \"6s\"\nbake_time = \"5s\"");
    let arguments = ["deploy", "--image", &two, "--retry", "--format", "json"];
    let mut child = runner.start(&arguments);
    let lines = until(&mut child, "bake");
    let waited = cloud.ends(0, &["deploy", "--image", &one, "--wait", "2m", "--format", "json"]);
    assert!(waited.json_lines().iter().any(|line| line["kind"] == "waiting"), "{waited}");
    assert_eq!(code(child, lines), Some(0));
    assert_eq!(serving(&status(&cloud)).0, first);
    let by = cloud.ends(0, &["history", "--format", "json"]).json();
    let by: Vec<&str> =
        by.as_array().expect("a list").iter().filter_map(|entry| entry["by"].as_str()).collect();
    assert!(by.contains(&"grace@runner-1") && by.iter().any(|who| who.starts_with("ada@")), "{by:?}");
}

#[test]
fn a_service_on_docker_may_have_its_journal_there_too() {
    let cloud = Cloud::open();
    cloud.share("");
    let shop = Shop::with_images(&["1"]);
    let path = shop.path().join("quickserve.toml");
    let text = std::fs::read_to_string(&path).expect("the file");
    let journal = "journal = \"s3://acme-deploy/engines\"\nregion = \"us-east-1\"\n";
    shop.write("quickserve.toml", &format!("{text}{journal}"));
    let variables = cloud.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    let ends = |arguments: &[&str]| {
        let ran = shop.run_with(&variables, arguments);
        assert_eq!(ran.code, 0, "{ran}");
        ran
    };
    ends(&["deploy", "--image", &shop.image("1")]);
    assert_eq!(shop.version(), "1");
    assert_eq!(ends(&["status", "--format", "json"]).json()["consistent"], true);
    assert_eq!(ends(&["history", "--format", "json"]).json()[0]["outcome"], "done");
    assert!(!shop.state().join("journal").exists());
    ends(&["down", "--volumes"]);
}
