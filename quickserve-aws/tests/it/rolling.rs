//! Rolling updates, as they look on the wire.

use quickserve_core::ErrorKind;
use quickserve_core::orchestrator::{Health, Orchestrator as _, Revision, TaskPhase};
use quickserve_core::release::{Digest, Release};
use quickserve_core::rollout::{ManagedRollout as _, RolloutId, RolloutState, Started};
use serde_json::json;

use crate::fake::{Fake, Fault, State};
use crate::register::{ecs, version};
use crate::support::{fence, spec};

/// A service that serves a release, and its rollout.
pub(crate) async fn serving(fake: &Fake, release: &Release, tasks: u32) -> RolloutId {
    let ecs = ecs(fake);
    let revision = ecs.register(&fence(), release).await.expect("registered");
    let started = ecs.start(&fence(), None, &spec(release, &revision, Some(tasks))).await.expect("started");
    fake.state().complete();
    let Started::Rollout(id) = started else { panic!("{started:?}") };
    assert_eq!(ecs.state(&id).await.expect("its state"), RolloutState::Succeeded);
    id
}

pub(crate) async fn registered(fake: &Fake, release: &Release) -> Revision {
    ecs(fake).register(&fence(), release).await.expect("registered")
}

pub(crate) fn nothing_amiss(fake: &Fake) {
    assert_eq!(fake.state().violations, Vec::<String>::new());
}

#[tokio::test]
async fn the_first_deployment_makes_the_service_with_a_circuit_breaker() {
    let fake = Fake::start().await;
    let id = serving(&fake, &version("1"), 2).await;
    assert_eq!(id, RolloutId("ecs-svc/1@shop:1".into()));
    let made = fake.seen("CreateService");
    let body: serde_json::Value = serde_json::from_str(&made[0].body).expect("JSON");
    assert_eq!(
        body["deploymentConfiguration"]["deploymentCircuitBreaker"],
        json!({"enable": true, "rollback": true})
    );
    assert_eq!(body["launchType"], "FARGATE");
    assert_eq!(body["desiredCount"], 2);
    nothing_amiss(&fake);
}

#[tokio::test]
async fn a_deployment_names_the_revision_and_leaves_the_number_of_tasks_alone() {
    let fake = Fake::start().await;
    let old = serving(&fake, &version("1"), 2).await;
    fake.state().service.as_mut().expect("a service")["desiredCount"] = json!(5);
    let revision = registered(&fake, &version("2")).await;
    let ecs = ecs(&fake);
    let started =
        ecs.start(&fence(), Some(&old), &spec(&version("2"), &revision, None)).await.expect("started");
    assert_eq!(started, Started::Rollout(RolloutId("ecs-svc/2@shop:2".into())));
    let update: serde_json::Value = serde_json::from_str(&fake.seen("UpdateService")[0].body).expect("JSON");
    assert_eq!(update["taskDefinition"], State::arn(2));
    assert_eq!(update.get("desiredCount"), None);
    assert_eq!(update.get("forceNewDeployment"), None);
    nothing_amiss(&fake);
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_starts_nothing_twice() {
    let fake = Fake::start().await;
    let old = serving(&fake, &version("1"), 2).await;
    let revision = registered(&fake, &version("2")).await;
    fake.state().faults.insert("UpdateService", Fault::LostAnswer);
    let ecs = ecs(&fake);
    let spec = spec(&version("2"), &revision, None);
    // The SDK asks again by itself, or we do.
    let first = ecs.start(&fence(), Some(&old), &spec).await;
    let second = ecs.start(&fence(), Some(&old), &spec).await.expect("started");
    let rollout = Started::Rollout(RolloutId("ecs-svc/2@shop:2".into()));
    assert_eq!(second, rollout);
    if let Ok(first) = first {
        assert_eq!(first, rollout);
    }
    assert_eq!(fake.state().deployments().len(), 2);
}

#[tokio::test]
async fn a_service_that_somebody_else_changed_is_left_alone() {
    let fake = Fake::start().await;
    let old = serving(&fake, &version("1"), 2).await;
    let revision = registered(&fake, &version("2")).await;
    fake.state().deployments()[0]["id"] = json!("ecs-svc/99");
    let started = ecs(&fake).start(&fence(), Some(&old), &spec(&version("2"), &revision, None)).await;
    assert_eq!(started.expect("an answer"), Started::Superseded("ecs-svc/99@shop:1".into()));
    assert!(fake.seen("UpdateService").is_empty());
}

#[tokio::test]
async fn a_rollback_by_ecs_is_told_also_when_its_deployment_is_forgotten() {
    let fake = Fake::start().await;
    let old = serving(&fake, &version("1"), 2).await;
    let revision = registered(&fake, &version("2")).await;
    let ecs = ecs(&fake);
    let started =
        ecs.start(&fence(), Some(&old), &spec(&version("2"), &revision, None)).await.expect("started");
    let Started::Rollout(id) = started else { panic!("{started:?}") };
    // ECS has taken it back and lists only what serves.
    {
        let mut state = fake.state();
        state.deployments().remove(0);
        state.deployments()[0]["status"] = json!("PRIMARY");
        state.deployments()[0]["id"] = json!("ecs-svc/3");
        state.records.push((State::arn(1), "SUCCESSFUL", ""));
        state.records.push((State::arn(2), "ROLLBACK_IN_PROGRESS", ""));
    }
    assert!(matches!(ecs.state(&id).await.expect("its state"), RolloutState::Running(_)));
    fake.state().records[1] = (State::arn(2), "ROLLBACK_SUCCESSFUL", "circuit breaker");
    let back = RolloutState::RolledBack { reason: "circuit breaker".into() };
    assert_eq!(ecs.state(&id).await.expect("its state"), back);
    nothing_amiss(&fake);
}

#[tokio::test]
async fn a_deployment_that_another_replaced_is_superseded() {
    let fake = Fake::start().await;
    let old = serving(&fake, &version("1"), 2).await;
    fake.state().deployments()[0]["id"] = json!("ecs-svc/9");
    let by = "deployment ecs-svc/9 of shop:1".to_owned();
    assert_eq!(ecs(&fake).state(&old).await.expect("its state"), RolloutState::Superseded { by });
}

#[tokio::test]
async fn what_ecs_calls_complete_and_not_successful_is_no_success() {
    let fake = Fake::start().await;
    let id = serving(&fake, &version("1"), 2).await;
    for (status, succeeded) in [("SUCCESSFUL", true), ("PENDING", false), ("ROLLBACK_SUCCESSFUL", false)] {
        fake.state().records = vec![(State::arn(1), status, "")];
        let state = ecs(&fake).state(&id).await.expect("its state");
        assert_eq!(state == RolloutState::Succeeded, succeeded, "{status}: {state:?}");
    }
}

#[tokio::test]
async fn services_that_others_deploy_are_refused_with_the_reason() {
    for (member, value, reason) in [
        ("deploymentController", json!({"type": "CODE_DEPLOY"}), "CODE_DEPLOY"),
        ("deploymentController", json!({"type": "EXTERNAL"}), "EXTERNAL"),
        ("schedulingStrategy", json!("DAEMON"), "DAEMON"),
        ("deploymentConfiguration", json!({"strategy": "BLUE_GREEN"}), "BLUE_GREEN"),
    ] {
        let fake = Fake::start().await;
        let old = serving(&fake, &version("1"), 2).await;
        fake.state().service.as_mut().expect("a service")[member] = value;
        let revision = registered(&fake, &version("2")).await;
        let error = ecs(&fake).start(&fence(), Some(&old), &spec(&version("2"), &revision, None)).await;
        let error = error.expect_err(reason);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(reason), "{error}");
        assert!(fake.seen("UpdateService").is_empty());
    }
}

#[tokio::test]
async fn only_a_service_that_we_made_is_removed() {
    let fake = Fake::start().await;
    serving(&fake, &version("1"), 2).await;
    fake.state().service.as_mut().expect("a service")["tags"] = json!([]);
    let error = ecs(&fake).withdraw(&fence()).await.expect_err("somebody else's");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    fake.state().service.as_mut().expect("a service")["tags"] =
        json!([{"key": "quickserve:made", "value": "true"}]);
    for _ in 0..2 {
        assert!(!ecs(&fake).withdraw(&fence()).await.expect("asked to, and its tasks still stop"));
    }
    assert_eq!(fake.seen("DeleteService").len(), 1);
    let revision = registered(&fake, &version("1")).await;
    let error =
        ecs(&fake).start(&fence(), None, &spec(&version("1"), &revision, None)).await.expect_err("draining");
    assert!(error.is_temporary(), "{error}");
    fake.state().service = None;
    assert!(ecs(&fake).withdraw(&fence()).await.expect("gone"));
}

#[tokio::test]
async fn what_runs_is_read_back_with_its_digests_and_strangers_are_counted() {
    let fake = Fake::start().await;
    let release = version("1");
    let id = serving(&fake, &release, 1).await;
    let digest = Digest::of(b"1");
    let task = |name: &str, definition: usize, desired: &str| {
        json!({
            "taskArn": format!("arn:aws:ecs:us-east-1:123456789012:task/main/{name}"), "desiredStatus": desired,
            "lastStatus": desired, "taskDefinitionArn": State::arn(definition), "healthStatus": "UNKNOWN",
            "containers": [{"name": "app", "image": format!("ghcr.io/acme/shop:1@{digest}"),
                "imageDigest": Digest::of(b"of the platform").as_str(), "exitCode": 1}],
            "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        })
    };
    let ecs = ecs(&fake);
    let stranger = crate::support::release(
        r#"{"family": "shop", "containerDefinitions": [{"name": "app", "image": "x"}]}"#,
        "x",
        "9",
        Digest::of(b"9"),
    );
    registered(&fake, &stranger).await;
    fake.state().tasks = vec![task("a", 1, "RUNNING"), task("b", 2, "RUNNING"), task("c", 1, "STOPPED")];
    let observed = ecs.observe().await.expect("observed");
    let set = observed.set(&release.id);
    assert_eq!(set.tasks.len(), 1);
    assert_eq!((set.tasks[0].phase, &set.tasks[0].health), (TaskPhase::Running, &Health::Healthy));
    assert_eq!(set.tasks[0].images["app"], digest);
    assert_eq!(observed.sets.len(), 2, "another release's task is not overlooked");
    let rollout = observed.rollout.expect("a rollout");
    assert_eq!((rollout.id, rollout.release, rollout.succeeded), (id, Some(release.id.clone()), true));
    let failures = ecs.explain(&release.id).await.expect("explained");
    assert_eq!((failures.len(), failures[0].exit_code, failures[0].task.0.as_str()), (1, Some(1), "c"));
    nothing_amiss(&fake);
}
