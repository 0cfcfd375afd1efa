//! What AWS has to allow and to have: the least policy, and the findings of QS6xx.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::time::Instant;

use super::cloud::Cloud;
use super::finished;
use crate::support::{Ran, snapshot};

/// Called, and in no policy: everybody may ask who they are.
const ALLOWED_TO_ALL: &str = "sts:GetCallerIdentity";
/// Tried, and done without where it is denied: whoever deploys need not see what secrets are.
const DONE_WITHOUT: &str = "secretsmanager:GetSecretValue";

fn codes(checked: &Ran) -> Vec<String> {
    let findings = checked.json()["findings"].clone();
    let findings = findings.as_array().expect("a list").iter();
    findings.map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
fn the_least_policy_has_every_action_that_the_command_calls() {
    let mut cloud = Cloud::open();
    let (one, two) = (cloud.push("1"), cloud.push("2"));
    cloud.share("bake_time = \"1s\"");
    cloud.watch();
    cloud.ends(0, &["check", "--image", &one]);
    cloud.ends(0, &["plan", "--image", &one]);
    cloud.ends(0, &["deploy", "--image", &one]);
    cloud.ends(0, &["deploy", "--image", &two]);
    cloud.define("shop/stripe-key", r#" "command": ["--no-such-flag"],"#);
    cloud.ends(4, &["deploy", "--image", &two]);
    // A name that is not there is looked for among those that are.
    cloud.define("shop/stripe-keys", "");
    cloud.ends(3, &["deploy", "--image", &two]);
    cloud.define("shop/stripe-key", "");
    cloud.ends(0, &["rollback"]);
    cloud.ends(0, &["scale", "2"]);
    cloud.ends(0, &["restart"]);
    cloud.ends(0, &["lock", "--reason", "stock-taking"]);
    cloud.ends(0, &["unlock"]);
    for look in ["status", "history"] {
        cloud.ends(0, &[look]);
    }
    let called: BTreeSet<String> = cloud.calls().actions().into_iter().collect();
    assert!(called.len() > 20, "{called:?}");

    let printed = cloud.ends(0, &["aws", "policy", "--role", "deployer"]);
    let policy: Value = serde_json::from_str(&printed.stdout).expect("a policy");
    let statements = policy["Statement"].as_array().expect("statements").iter();
    let allowed: BTreeSet<&str> = statements
        .flat_map(|it| it["Action"].as_array().expect("actions"))
        .filter_map(Value::as_str)
        .collect();
    let unknown: Vec<&String> = called
        .iter()
        .filter(|action| !allowed.contains(action.as_str()))
        .filter(|action| ![ALLOWED_TO_ALL, DONE_WITHOUT].contains(&action.as_str()))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?} are not among {allowed:?}");
    assert!(!allowed.contains(DONE_WITHOUT));
    snapshot("aws_policy", &cloud.run(&["aws", "policy"]));
}

#[test]
#[expect(clippy::disallowed_macros, reason = "how long it took is for whoever reads the test's output")]
fn a_missing_secret_is_refused_without_a_call_that_changes_anything() {
    let mut cloud = Cloud::open();
    let image = cloud.push("1");
    cloud.share("");
    cloud.define("shop/stripe-keys", "");
    cloud.watch();
    let began = Instant::now();
    let refused = finished(&cloud.ends(3, &["deploy", "--image", &image, "--format", "json"]));
    println!("refused after {:?}", began.elapsed());
    assert_eq!(refused["findings"][0]["code"], "QS105", "{refused:#}");
    assert!(!cloud.calls().actions().is_empty());
    assert_eq!(cloud.calls().changes(), [""; 0]);
}

#[test]
fn what_is_wrong_with_the_account_is_told_with_the_files_and_refuses() {
    let mut cloud = Cloud::open();
    let image = cloud.push("1");
    cloud.share("");
    cloud.define("shop/stripe-key", r#" "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "shop"}},"#);
    let task = cloud.shop.path().join("task.json");
    let text = std::fs::read_to_string(&task).expect("the file");
    cloud.shop.write("task.json", &text.replace("ecsTaskExecutionRole", "nobody"));
    let checked = cloud.ends(3, &["check", "--image", &image, "--format", "json"]);
    let refused = finished(&cloud.ends(3, &["deploy", "--image", &image, "--format", "json"]));
    let told = refused["findings"].to_string();
    for code in ["QS611", "QS613"] {
        assert!(codes(&checked).iter().any(|found| found == code), "{checked}");
        assert!(told.contains(code), "{refused:#}");
    }
    // Without an image the same is known.
    let without = cloud.ends(3, &["check", "--format", "json"]);
    assert!(codes(&without).contains(&"QS611".to_owned()), "{without}");
    assert_eq!(cloud.run(&["history", "--format", "json"]).json().as_array().map(Vec::len), Some(0));
}

#[test]
fn without_credentials_the_files_are_judged_and_what_was_not_asked_is_said() {
    let cloud = Cloud::open();
    cloud.define("shop/stripe-key", r#" "stopTimeout": 5,"#);
    let variables = [("AWS_EC2_METADATA_DISABLED", "true")];
    let arguments = ["-e", "production", "check", "--image", "shop:1", "--format", "json"];
    let checked = cloud.shop.run_with(&variables, &arguments);
    assert_eq!(checked.code, 3, "{checked}");
    let codes = codes(&checked);
    assert_eq!(codes.iter().filter(|code| *code == "QS604").count(), 1, "{checked}");
    assert_eq!(checked.stdout.matches("find credentials").count(), 1, "{checked}");
    assert!(codes.iter().any(|code| code.starts_with("QS4")), "{checked}");
}
