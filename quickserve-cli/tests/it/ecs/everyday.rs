//! The everyday commands, with real containers.

use serde_json::{Value, json};

use super::cloud::Cloud;
use super::{serving, status};

const LOGGING: &str = r#" "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/shop",
      "awslogs-region": "us-east-1", "awslogs-stream-prefix": "web", "awslogs-create-group": "true"}},"#;

/// A service whose tasks write to the emulator's `CloudWatch` Logs.
fn logging() -> (Cloud, String) {
    let mut cloud = Cloud::open();
    let image = cloud.push("1");
    cloud.define("shop/stripe-key", LOGGING);
    cloud.ends(0, &["deploy", "--image", &image]);
    (cloud, image)
}

fn logged(cloud: &Cloud, arguments: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = ["logs", "--format", "json"].iter().chain(arguments).copied().collect();
    let ran = cloud.ends(0, &arguments);
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_service_s_output_is_read_by_container_and_release_and_elsewhere_it_is_said_where() {
    let (cloud, image) = logging();
    let (release, _) = serving(&status(&cloud));
    let lines = logged(&cloud, &[]);
    assert!(!lines.is_empty());
    let is_ours = |line: &Value| line["release"] == json!(release) && line["container"] == "app";
    assert!(lines.iter().all(is_ours), "{lines:#?}");
    assert_eq!(logged(&cloud, &["--tail", "1"]), lines[lines.len() - 1..]);
    assert_eq!(logged(&cloud, &["--release", &release, "--since", "1h"]), lines);
    let none = cloud.ends(0, &["logs", "--container", "side"]);
    assert!(none.stdout.is_empty() && none.stderr.contains("no task has written anything"), "{none}");

    cloud.define("shop/stripe-key", r#" "logConfiguration": {"logDriver": "journald"},"#);
    cloud.ends(0, &["deploy", "--image", &image]);
    let (release, _) = serving(&status(&cloud));
    let elsewhere = cloud.ends(0, &["logs", "--release", &release]);
    assert!(elsewhere.stderr.contains("its log goes by journald, and is not read here"), "{elsewhere}");
}
