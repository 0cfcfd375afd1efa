//! What a failure tells: tasks' ends with their last words, targets, events, alarms, and the remedy.

use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::orchestrator::{Orchestrator as _, TaskFailure};
use quickserve_core::outcome::Outcome;
use quickserve_core::release::{Digest, Release};
use quickserve_core::rollout::ManagedRollout as _;
use serde_json::{Value, json};

use crate::fake::{Fake, Fault, State};
use crate::lab::Lab;
use crate::register::{ecs, version};
use crate::support::{fence, release, spec};

const GROUP: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop-blue/0123456789abcdef";

fn logging() -> Release {
    let document = r#"{"family": "shop", "containerDefinitions": [{"name": "app", "image": "x",
        "secrets": [{"name": "DATABASE_URL", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf"}],
        "logConfiguration": {"logDriver": "awslogs", "options":
            {"awslogs-group": "/ecs/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "web"}}}]}"#;
    release(document, "ghcr.io/acme/shop", "1", Digest::of(b"1"))
}

fn task(name: &str, stopped: u32, exit: Option<i64>, reason: Option<&str>) -> Value {
    json!({
        "taskArn": format!("arn:aws:ecs:us-east-1:123456789012:task/main/{name}"), "desiredStatus": "STOPPED",
        "lastStatus": "STOPPED", "taskDefinitionArn": State::arn(1), "stoppedAt": 1_764_370_000 + stopped,
        "containers": [{"name": "app", "exitCode": exit, "reason": reason}],
        "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
    })
}

/// A service whose release has failed.
async fn failed(fake: &Fake, tasks: Vec<Value>) -> Release {
    let (ecs, release) = (ecs(fake), logging());
    let revision = ecs.register(&fence(), &release).await.expect("registered");
    ecs.start(&fence(), None, &spec(&release, &revision, Some(2))).await.expect("started");
    fake.state().tasks = tasks;
    release
}

async fn explained(fake: &Fake, release: &Release) -> Vec<TaskFailure> {
    let failures = ecs(fake).explain(&release.id).await.expect("explained");
    assert_eq!(fake.state().violations, Vec::<String>::new());
    failures
}

#[tokio::test]
async fn each_way_to_fail_tells_the_end_of_its_newest_tasks_log() {
    let fake = Fake::start().await;
    let tasks = vec![task("a", 1, Some(1), None), task("b", 3, Some(1), None), task("c", 2, Some(2), None)];
    let release = failed(&fake, tasks).await;
    let written = vec![
        "\u{1b}[31mstarting\u{1b}[0m",
        "cannot reach postgres://u:hunter2@db/shop",
        concat!("refused ghp_", "x7Kq2mVd9LwZ4tRb8NcY1sHf6JpG3aQe5UoT"),
        "DATABASE_URL=x\n\n",
    ];
    fake.state().beside.logs.insert(("/ecs/shop", "web/app/b"), written);
    let failures = explained(&fake, &release).await;
    let [b, c, a] = failures.as_slice() else { panic!("{failures:?}") };
    assert_eq!(
        b.log_tail,
        ["starting", "cannot reach postgres://u:***@db/shop", "refused ...", "DATABASE_URL=***", ""]
    );
    assert_eq!(b.last_words.as_deref(), Some("DATABASE_URL=***"));
    let lost = "it wrote nothing to its log: log group /ecs/shop has no stream web/app/c";
    assert_eq!((c.last_words.as_deref(), c.log_unread.as_deref()), (None, Some(lost)));
    assert_eq!((a.log_tail.len(), a.log_unread.as_deref()), (0, None), "b has told it already");
    assert_eq!(fake.seen("GetLogEvents").len(), 2);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_said_in_words_and_hides_nothing() {
    let fake = Fake::start().await;
    let release = failed(&fake, vec![task("a", 1, Some(1), None)]).await;
    let failures = explained(&fake, &release).await;
    assert_eq!(
        failures[0].log_unread.as_deref(),
        Some("its log is lost: log group /ecs/shop does not exist")
    );
    fake.state().faults.insert("GetLogEvents", Fault::Refused("AccessDeniedException", "no"));
    let failures = explained(&fake, &release).await;
    let why = failures[0].log_unread.clone().expect("why");
    assert!(why.contains("allow logs:GetLogEvents for this identity"), "{why}");
    assert_eq!(failures[0].exit_code, Some(1));
}

#[tokio::test]
async fn a_task_that_never_ran_has_no_log_to_ask_for() {
    let fake = Fake::start().await;
    let release = failed(&fake, vec![task("a", 1, None, Some("CannotPullContainerError: not found"))]).await;
    assert_eq!(explained(&fake, &release).await[0].log_unread, None);
    assert!(fake.seen("GetLogEvents").is_empty());
}

#[tokio::test]
async fn targets_events_and_alarms_are_told_and_what_cannot_be_asked_hides_no_other() {
    let fake = Fake::start().await;
    let release = failed(&fake, Vec::new()).await;
    let now = SystemClock.now();
    {
        let mut state = fake.state();
        let timeout = Some(("Target.Timeout", "Request timed out"));
        state.beside.targets.insert(GROUP, vec![timeout, None, timeout]);
        state.beside.alarms.push(("shop-5xx", "Threshold Crossed: 3 datapoints"));
        let service = state.service.as_mut().expect("a service");
        service["loadBalancers"] =
            json!([{ "targetGroupArn": GROUP, "containerName": "app", "containerPort": 3000 }]);
        service["deploymentConfiguration"]["alarms"] =
            json!({ "enable": true, "rollback": true, "alarmNames": ["shop-5xx"] });
        let message = "(service shop-web) was unable to place a task because no container instance met all of its requirements.";
        service["events"] = json!([{ "id": "1", "createdAt": now.as_second() + 1, "message": message }]);
    }
    let ecs = ecs(&fake);
    let known = ecs.circumstances(&release.id, now).await.expect("asked");
    let placed =
        "ECS says: was unable to place a task because no container instance met all of its requirements";
    let firing = "alarm shop-5xx is in ALARM: Threshold Crossed: 3 datapoints";
    let unhealthy = "2 targets of shop-blue are unhealthy: Target.Timeout (Request timed out)";
    assert_eq!(known, [placed, unhealthy, firing]);
    fake.state().faults.insert("DescribeTargetHealth", Fault::Refused("AccessDenied", "no"));
    let known = ecs.circumstances(&release.id, now).await.expect("asked");
    assert!(known[1].contains("allow elasticloadbalancing:DescribeTargetHealth"), "{known:?}");
    assert_eq!((known.len(), known[2].as_str()), (3, firing));
}

#[tokio::test]
async fn a_deployment_that_failed_tells_all_of_it_and_what_to_do() {
    let lab = Lab::open().await;
    assert_eq!(lab.deploy(version("1")).await.outcome, Outcome::Done);
    let task = |name: &str| {
        let mut failed =
            task(name, 1, Some(137), Some("OutOfMemoryError: Container killed due to memory usage"));
        failed["taskDefinitionArn"] = json!(State::arn(2));
        failed
    };
    lab.fake.state().fates.fail.insert(2, vec![task("a"), task("b"), task("c")]);
    let finished = lab.deploy(version("2")).await;
    assert_eq!(finished.outcome, Outcome::RolledBack, "{finished:#?}");
    assert_eq!(finished.serving[0].release, version("1").id);
    let cause = finished.cause.expect("a cause");
    assert_eq!(
        cause.causes,
        [
            "ECS deployment circuit breaker: tasks failed to start.",
            "3 x app exited 137: OutOfMemoryError: Container killed due to memory usage, the last in task a",
            "its output is kept nowhere: it has no logConfiguration",
        ]
    );
    assert_eq!(
        cause.hint.as_deref(),
        Some("raise `memory` of the container or the task, or make it need less")
    );
    assert_eq!(lab.failures().len(), 1, "one for each way to fail");
    assert_eq!(lab.fake.state().violations, Vec::<String>::new());
}
