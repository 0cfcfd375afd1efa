//! Commands beside deployments, as they look on the wire.

use std::sync::Arc;

use futures_util::StreamExt as _;
use quickserve_aws::ecs::{Ecs, OneOff};
use quickserve_core::ErrorKind;
use quickserve_core::log::LogEntry;
use quickserve_core::memory::MemoryClock;
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::release::Release;
use quickserve_core::rollout::ManagedRollout as _;
use serde_json::{Value, json};

use crate::fake::{Fake, Fault};
use crate::logs::{AWSLOGS, version};
use crate::register::{ecs, ecs_at};
use crate::support::{fence, spec};

/// A service that runs a release in somebody's network.
async fn serving(fake: &Fake) -> (Ecs, Release) {
    let (ecs, release) = (ecs(fake), version("1", AWSLOGS));
    let revision = ecs.register(&fence(), &release).await.expect("registered");
    ecs.start(&fence(), None, &spec(&release, &revision, Some(1))).await.expect("started");
    let mut state = fake.state();
    let service = state.service.as_mut().expect("a service");
    service["networkConfiguration"] = json!({ "awsvpcConfiguration": { "subnets": ["subnet-1"] } });
    service["capacityProviderStrategy"] = json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
    service["platformVersion"] = json!("1.4.0");
    drop(state);
    (ecs_at(fake, Arc::new(MemoryClock::default())), release)
}

fn one_off() -> OneOff {
    OneOff { container: "app".into(), command: vec!["migrate".into()], by: "ada@laptop".into() }
}

#[tokio::test]
async fn a_command_runs_as_the_service_does_and_its_lines_and_code_come_back() {
    let fake = Fake::start().await;
    let (ecs, release) = serving(&fake).await;
    let running = ecs.run(&release, &one_off()).await.expect("running");
    let sent: Value = serde_json::from_str(&fake.seen("RunTask")[0].body).expect("JSON");
    assert_eq!(sent["startedBy"], "quickserve/ada-laptop");
    assert_eq!(sent["networkConfiguration"]["awsvpcConfiguration"]["subnets"], json!(["subnet-1"]));
    assert_eq!(sent["capacityProviderStrategy"][0]["capacityProvider"], "FARGATE_SPOT");
    assert_eq!((&sent["platformVersion"], &sent["launchType"]), (&json!("1.4.0"), &Value::Null));
    let overrides = &sent["overrides"]["containerOverrides"][0];
    assert_eq!(overrides, &json!({ "name": "app", "command": ["migrate"] }));

    let handle = running.handle();
    let mut output = running.output;
    fake.state().beside.logs.insert(("/ecs/shop", "web/app/one-off"), vec!["migrating", "password=hunter2"]);
    let mut lines = Vec::new();
    while let Some(entry) = output.next().await {
        let LogEntry::Line(line) = entry.expect("an entry") else { panic!("all is read") };
        lines.push(line.text);
        // Its end comes while its last lines are still read.
        let mut state = fake.state();
        state.tasks[0]["containers"][0]["exitCode"] = json!(3);
        state.tasks[0]["lastStatus"] = json!("STOPPED");
    }
    assert_eq!(lines, ["migrating", "password=***"]);
    assert_eq!(handle.exit_code().await.expect("a code"), 3);
    assert_eq!(fake.state().violations, Vec::<String>::new());
}

#[tokio::test]
async fn it_is_stopped_and_one_that_is_gone_is_stopped_too() {
    let fake = Fake::start().await;
    let (ecs, release) = serving(&fake).await;
    let handle = ecs.run(&release, &one_off()).await.expect("running").handle();
    handle.stop().await.expect("stopped");
    assert_eq!(handle.exit_code().await.expect("a code"), 143);
    fake.state().tasks.clear();
    handle.stop().await.expect("gone is stopped");
    assert_eq!(fake.state().violations, Vec::<String>::new());
}

#[tokio::test]
async fn what_could_not_start_says_why_and_a_want_of_room_is_refused() {
    let fake = Fake::start().await;
    let (ecs, release) = serving(&fake).await;
    let running = ecs.run(&release, &one_off()).await.expect("running");
    {
        let mut state = fake.state();
        state.tasks[0]["lastStatus"] = json!("STOPPED");
        state.tasks[0]["stoppedReason"] = json!("CannotPullContainerError: ref not found");
    }
    let error = running.handle().exit_code().await.expect_err("never ran");
    assert_eq!(error.to_string(), "the command could not start: CannotPullContainerError: ref not found");
    assert!(error.hint().is_some_and(|hint| hint.contains("registry")), "{error:?}");

    let another = version("2", AWSLOGS);
    let error = ecs.run(&another, &one_off()).await.expect_err("not what runs");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    fake.state().faults.insert("RunTask", Fault::Refused("AccessDeniedException", "no"));
    let error = ecs.run(&release, &one_off()).await.expect_err("refused");
    assert!(error.hint().is_some_and(|hint| hint.contains("ecs:RunTask")), "{error:?}");
}

#[tokio::test]
async fn a_task_without_ecs_exec_takes_no_commands_and_says_what_lets_it() {
    let fake = Fake::start().await;
    let (ecs, release) = serving(&fake).await;
    let arn = fake.state().service.as_ref().expect("a service")["deployments"][0]["taskDefinition"].clone();
    let task = json!({
        "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/main/abc", "desiredStatus": "RUNNING",
        "lastStatus": "RUNNING", "taskDefinitionArn": arn, "enableExecuteCommand": false,
        "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/main",
        "containers": [{ "name": "app", "lastStatus": "RUNNING", "runtimeId": "abc-1" }],
    });
    fake.state().tasks = vec![task];
    let error = ecs.find_task(&release, None, None).await.expect_err("no commands");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().is_some_and(|hint| hint.contains("--enable-execute-command")), "{error:?}");
    fake.state().tasks[0]["enableExecuteCommand"] = json!(true);
    let place = ecs.find_task(&release, Some("abc"), None).await.expect("a place");
    assert_eq!((place.task.0.as_str(), place.container.as_str()), ("abc", "app"));
    let error = ecs.find_task(&release, None, Some("ap")).await.expect_err("no such container");
    assert_eq!(error.hint(), Some("did you mean app"));
}
