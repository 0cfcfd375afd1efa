//! A service's containers, as a diagnosis wants them.

use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::release::Digest;
use serde_json::{Value, json};

use crate::fake::{Fake, State};
use crate::register::ecs;
use crate::support::{fence, release};

#[tokio::test]
async fn what_runs_has_its_variables_and_what_ended_by_itself_its_reason() {
    let fake = Fake::start().await;
    let document = r#"{"family": "shop", "containerDefinitions": [{"name": "app", "image": "x",
        "environment": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "EMPTY", "value": ""}],
        "secrets": [{"name": "DB", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf"}]}]}"#;
    let release = release(document, "ghcr.io/acme/shop", "1", Digest::of(b"1"));
    let ecs = ecs(&fake);
    ecs.register(&fence(), &release).await.expect("registered");
    let task = |name: &str, status: &str, more: Value| {
        let mut task = json!({
            "taskArn": format!("arn:aws:ecs:us-east-1:123456789012:task/main/{name}"), "desiredStatus": status,
            "lastStatus": status, "taskDefinitionArn": State::arn(1), "stoppedAt": 1_764_370_000,
            "containers": [{ "name": "app", "lastStatus": status }],
        });
        more.as_object().expect("members").iter().for_each(|(name, value)| task[name] = value.clone());
        task
    };
    let crashed = json!({
        "stopCode": "EssentialContainerExited", "containers": [{ "name": "app", "exitCode": 1 }],
    });
    let replaced = json!({ "stopCode": "ServiceSchedulerInitiated", "stoppedReason": "Scaling activity" });
    fake.state().tasks = vec![
        task("a", "RUNNING", json!({})),
        task("b", "STOPPED", crashed.clone()),
        task("c", "STOPPED", crashed),
        task("d", "STOPPED", replaced),
    ];
    let containers = ecs.containers().await.expect("asked");
    let told: Vec<_> = containers.iter().map(|it| (it.task.0.as_str(), it.is_running, it.is_gone)).collect();
    assert_eq!(told, [("a", true, false), ("b", false, true), ("c", false, true)]);
    let names: Vec<_> = containers[0].variables.iter().map(String::as_str).collect();
    assert!(names.contains(&"LOG_LEVEL") && names.contains(&"DB") && !names.contains(&"EMPTY"), "{names:?}");
    assert_eq!(containers[1].ends[0].reason, "exited 1");
    assert_eq!(fake.state().violations, Vec::<String>::new());
}
