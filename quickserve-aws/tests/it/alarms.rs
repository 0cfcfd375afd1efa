//! Alarms that take a deployment back.

use std::sync::Arc;

use quickserve_core::clock::SystemClock;
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::rollout::{ManagedRollout as _, RolloutState, Started};
use serde_json::{Value, json};

use crate::fake::{Fake, State};
use crate::register::{ecs, ecs_watching, version};
use crate::support::{fence, spec};

fn configured(fake: &Fake, operation: &str) -> Value {
    let seen = fake.seen(operation);
    let body: Value = serde_json::from_str(&seen.last().expect("a request").body).expect("JSON");
    body["deploymentConfiguration"]["alarms"].clone()
}

#[tokio::test]
async fn the_alarms_of_the_configuration_watch_every_deployment() {
    let fake = Fake::start().await;
    let ecs = ecs_watching(&fake, Arc::new(SystemClock), &["shop-5xx", "shop-latency"]);
    let watched = json!({ "alarmNames": ["shop-5xx", "shop-latency"], "enable": true, "rollback": true });
    let revision = ecs.register(&fence(), &version("1")).await.expect("registered");
    let started = ecs.start(&fence(), None, &spec(&version("1"), &revision, Some(1))).await.expect("started");
    assert_eq!(configured(&fake, "CreateService"), watched);
    fake.state().complete();
    let Started::Rollout(first) = started else { panic!("{started:?}") };
    let revision = ecs.register(&fence(), &version("2")).await.expect("registered");
    ecs.start(&fence(), Some(&first), &spec(&version("2"), &revision, None)).await.expect("started");
    assert_eq!(configured(&fake, "UpdateService"), watched);
    assert_eq!(fake.state().violations, Vec::<String>::new());
}

#[tokio::test]
async fn without_any_those_of_the_service_stay() {
    let fake = Fake::start().await;
    let ecs = ecs(&fake);
    let revision = ecs.register(&fence(), &version("1")).await.expect("registered");
    let started = ecs.start(&fence(), None, &spec(&version("1"), &revision, Some(1))).await.expect("started");
    assert_eq!(configured(&fake, "CreateService"), Value::Null);
    fake.state().complete();
    let theirs = json!({ "alarmNames": ["theirs"], "enable": true, "rollback": false });
    fake.state().service.as_mut().expect("a service")["deploymentConfiguration"]["alarms"] = theirs.clone();
    let Started::Rollout(first) = started else { panic!("{started:?}") };
    let revision = ecs.register(&fence(), &version("2")).await.expect("registered");
    ecs.start(&fence(), Some(&first), &spec(&version("2"), &revision, None)).await.expect("started");
    assert_eq!(configured(&fake, "UpdateService"), theirs);
}

#[tokio::test]
async fn the_alarm_that_fired_is_the_reason() {
    let fake = Fake::start().await;
    let ecs = ecs(&fake);
    let revision = ecs.register(&fence(), &version("1")).await.expect("registered");
    let started = ecs.start(&fence(), None, &spec(&version("1"), &revision, Some(1))).await.expect("started");
    let Started::Rollout(rollout) = started else { panic!("{started:?}") };
    {
        let mut state = fake.state();
        let newest = &mut state.deployments()[0];
        newest["rolloutState"] = json!("FAILED");
        newest["rolloutStateReason"] = json!("ECS deployment ecs-svc/1 failed: alarm detected.");
        state.records.push((State::arn(1), "ROLLBACK_FAILED", ""));
        state.alarms.push("shop-5xx");
    }
    let reason = "alarm shop-5xx fired".to_owned();
    assert_eq!(ecs.state(&rollout).await.expect("its state"), RolloutState::Failed { reason });
    assert_eq!(fake.state().violations, Vec::<String>::new());
}
