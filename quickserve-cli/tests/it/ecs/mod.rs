//! The command on ECS: an emulator answers for AWS and runs real containers.

mod account;
mod bootstrap;
mod cloud;
mod everyday;
mod machine;
mod reached;
mod shared;

use serde_json::Value;

use crate::support::Ran;
use cloud::Cloud;

/// The release that serves, and the digest of its only container.
fn serving(told: &Value) -> (String, String) {
    let [one] = told["serving"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        panic!("not one release serves: {told:#}")
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&one["release"]), text(&one["images"]["app"]))
}

fn status(cloud: &Cloud) -> Value {
    cloud.ends(0, &["status", "--format", "json"]).json()
}

fn outcomes(cloud: &Cloud) -> Vec<String> {
    let history = cloud.ends(0, &["history", "--format", "json"]).json();
    let entries = history.as_array().expect("a list").iter();
    entries.map(|entry| format!("{} {}", entry["act"], entry["outcome"]).replace('"', "")).collect()
}

fn finished(ran: &Ran) -> Value {
    let last = ran.json();
    assert_eq!(last["kind"], "finished", "{ran}");
    last
}

#[test]
fn a_service_is_deployed_taken_back_and_rolled_back() {
    let mut cloud = Cloud::open();
    let (one, two) = (cloud.push("1"), cloud.push("2"));

    let first = cloud.ends(0, &["deploy", "--image", &format!("app={one}")]);
    assert!(first.stderr.contains("rollout  "), "{first}");
    assert!(!first.stderr.contains("router") && !first.stderr.contains("port"), "{first}");
    let before = status(&cloud);
    assert_eq!(before["consistent"], true, "{before:#}");
    let (old, old_digest) = serving(&before);
    let live = cloud.live();
    let container = &live["containerDefinitions"][0];
    assert_eq!(container["image"], format!("{one}@{old_digest}"));
    let secret = container["secrets"][0]["valueFrom"].as_str().expect("a reference");
    assert!(secret.contains(":secret:shop/stripe-key-") && !secret.ends_with(':'), "pinned: {secret}");

    let second = finished(&cloud.ends(0, &["deploy", "--image", &two, "--format", "json"]));
    let (new, new_digest) = serving(&second);
    assert!(new != old && new_digest != old_digest, "{second:#}");
    assert_eq!(serving(&status(&cloud)), (new.clone(), new_digest.clone()));

    // It ends at once, again and again: ECS gives up and takes it back.
    cloud.define("shop/stripe-key", r#" "command": ["--no-such-flag"],"#);
    let crashed = finished(&cloud.ends(4, &["deploy", "--image", &two, "--format", "json"]));
    assert_eq!(serving(&crashed), (new.clone(), new_digest.clone()));
    let cause = crashed["cause"].to_string();
    assert!(cause.contains("circuit breaker") && cause.contains("exited 2"), "{cause}");
    assert_eq!(status(&cloud)["consistent"], true);

    let back = cloud.ends(0, &["rollback"]);
    assert!(back.stderr.contains("restored"), "{back}");
    assert_eq!(serving(&status(&cloud)), (old, old_digest));
    assert_eq!(
        outcomes(&cloud),
        ["rollback done", "deploy rolled_back", "deploy done", "deploy done"],
        "newest first"
    );
}

#[test]
fn a_missing_secret_is_refused_with_its_place_and_nothing_changes() {
    let mut cloud = Cloud::open();
    let image = cloud.push("1");
    let before = cloud.state();
    cloud.define("shop/stripe-keys", "");
    let refused = cloud.ends(3, &["deploy", "--image", &image, "--format", "json"]);
    let finding = finished(&refused)["findings"][0].clone();
    assert_eq!(finding["code"], "QS105", "{refused}");
    let place = (&finding["where"]["file"], &finding["where"]["line"]);
    assert_eq!((place.0.as_str(), place.1.as_u64()), (Some("task.json"), Some(11)), "{finding:#}");
    assert!(finding["hint"].as_str().is_some_and(|hint| hint.contains("shop/stripe-key")), "{finding:#}");
    assert_eq!(cloud.state(), before);
    // `check` says the same, and so does a person's terminal.
    assert!(cloud.ends(3, &["check", "--image", &image]).stdout.contains("QS105"));
}

#[test]
fn the_everyday_acts_and_a_lock_are_those_of_docker() {
    let mut cloud = Cloud::open();
    let image = cloud.push("1");
    let planned = cloud.ends(0, &["plan", "--image", &image, "--format", "json"]).json();
    assert_eq!(planned["plan"]["strategy"], "rolling", "{planned:#}");
    cloud.ends(0, &["deploy", "--image", &image]);
    cloud.ends(0, &["scale", "2"]);
    let tasks = || status(&cloud)["serving"][0]["tasks"].clone();
    assert_eq!(tasks(), 2);

    let of = |told: &Value| -> Vec<String> {
        let tasks = told["tasks"].as_array().expect("tasks").iter();
        tasks.map(|task| task["task"].to_string()).collect()
    };
    let before = of(&status(&cloud));
    cloud.ends(0, &["restart"]);
    let after = of(&status(&cloud));
    assert!(before.iter().all(|task| !after.contains(task)), "{before:?} {after:?}");

    // The number is whoever's who scales the service.
    let same = cloud.ends(0, &["deploy", "--image", &image]);
    assert!(same.stderr.contains("serves already"), "{same}");
    cloud.ends(0, &["lock", "--reason", "stock-taking"]);
    cloud.define("shop/stripe-key", r#" "stopTimeout": 5,"#);
    let locked = cloud.ends(7, &["deploy", "--image", &image]);
    assert!(locked.stderr.contains("stock-taking"), "{locked}");
    cloud.ends(0, &["unlock"]);
    cloud.ends(0, &["deploy", "--image", &image]);
    assert_eq!(tasks(), 2);
}

#[test]
fn what_ecs_has_no_answer_for_is_refused_with_what_has() {
    let cloud = Cloud::open();
    let refused = cloud.ends(3, &["down"]);
    assert!(refused.stderr.contains("works on local Docker, and production runs on ECS"), "{refused}");
    assert!(refused.stderr.contains("aws ecs delete-service --cluster main"), "{refused}");
    cloud.ends(2, &["logs"]);
}
