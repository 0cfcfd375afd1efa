//! Logs, a diagnosis, and commands beside deployments, with real containers.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tempfile::TempDir;

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

#[test]
fn a_command_runs_in_a_task_of_its_own_and_ends_with_its_code() {
    let (cloud, _) = logging();
    // Storefront knows no such argument.
    let ran = cloud.ends(2, &["run", "--", "--no-such-flag"]);
    assert!(ran.stdout.contains("usage: storefront"), "{ran}");
    let history = cloud.ends(0, &["history", "--all", "--format", "json"]).json();
    assert_eq!((&history[0]["act"], &history[0]["exit_code"]), (&json!("run"), &json!(2)), "{history:#}");
    assert_eq!(status(&cloud)["consistent"], true);
    let refused = cloud.ends(3, &["run", "--entry-point", "sh", "--", "-c", "true"]);
    assert!(refused.stderr.contains("never its entry point"), "{refused}");
}

#[test]
fn a_terminal_is_carried_into_a_task_by_the_plugin_and_the_token_is_no_argument() {
    let (cloud, _) = logging();
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().display().to_string();
    let missing = cloud.run_with(&[("PATH", &path)], &["exec", "--", "sh"]);
    assert_eq!(missing.code, 3, "{missing}");
    assert!(missing.stderr.contains("session-manager-plugin, which is not installed"), "{missing}");

    let plugin = folder.path().join("session-manager-plugin");
    let install = |version: &str| {
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo {version}; exit; fi\n\
             echo \"$1 $2 $3 [$4] $5 $6\"\ncase \"$AWS_SSM_START_SESSION_RESPONSE\" in *TokenValue*) echo a token;; esac\n"
        );
        std::fs::write(&plugin, script).expect("a file");
        std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).expect("executable");
    };
    install("1.2.339.0");
    let old = cloud.run_with(&[("PATH", &path)], &["exec", "--", "sh"]);
    assert!(old.code == 3 && old.stderr.contains("too old"), "{old}");
    install("1.2.650.0");
    let ran = cloud.run_with(&[("PATH", &path)], &["exec", "--", "sh"]);
    assert_eq!(ran.code, 0, "{ran}");
    let (arguments, token) = ran.stdout.trim().split_once('\n').expect("two lines");
    assert!(arguments.starts_with("AWS_SSM_START_SESSION_RESPONSE us-east-1 StartSession [] "), "{ran}");
    assert!(arguments.contains(r#"{"Target":"ecs:main_"#) && !arguments.contains("Token"), "{ran}");
    assert_eq!(token, "a token");
}

#[test]
fn a_diagnosis_tells_what_is_amiss_and_what_mends_it() {
    let (cloud, _) = logging();
    let well = cloud.ends(0, &["doctor"]);
    assert!(well.stdout.contains("nothing was found amiss"), "{well}");
    cloud.settle("task_definition = \"task.json\"\nenv_contract = \".env.example\"", "");
    cloud.shop.write(".env.example", "DATABASE_URL=\nSTRIPE_API_KEY=\nMAIL_HOST=\n");
    let ill = cloud.ends(3, &["doctor"]);
    assert!(ill.stdout.contains("the tasks that serve lack MAIL_HOST"), "{ill}");
    assert!(!ill.stdout.contains("router") && !ill.stdout.contains("s3cret-value"), "{ill}");
    assert!(ill.stdout.contains("quickserve deploy"), "{ill}");
}
