//! ECS's own blue/green, canary and linear deployments, as they look on the wire.

use std::time::Duration;

use quickserve_core::ErrorKind;
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::rollout::{
    Answer, Answered, GateId, ManagedRollout as _, RolloutId, RolloutSpec, RolloutState, Stage, Started, Way,
};
use quickserve_core::traffic::Percent;
use serde_json::{Value, json};

use crate::fake::{Fake, Fault, State};
use crate::register::{balancers, ecs, version};
use crate::rolling::{nothing_amiss, registered, serving};
use crate::support::{fence, spec};

const CANARY: Way = Way::Canary { percent: Percent::CANARY, bake: Duration::from_mins(10) };
const LAST: [Stage; 2] = [Stage::PreProductionTrafficShift, Stage::PostProductionTrafficShift];

/// A service that serves the first release and heads for the second, with its rollout.
async fn under_way(fake: &Fake, way: Way) -> RolloutId {
    let old = serving(fake, &version("1"), 2).await;
    fake.state().service.as_mut().expect("a service")["loadBalancers"] = balancers();
    let revision = registered(fake, &version("2")).await;
    let spec = RolloutSpec { way, gates: LAST.to_vec(), ..spec(&version("2"), &revision, None) };
    let started = ecs(fake).start(&fence(), Some(&old), &spec).await.expect("started");
    let Started::Rollout(id) = started else { panic!("{started:?}") };
    fake.state().records = vec![(State::arn(1), "SUCCESSFUL", ""), (State::arn(2), "IN_PROGRESS", "")];
    id
}

async fn state(fake: &Fake, rollout: &RolloutId) -> RolloutState {
    ecs(fake).state(rollout).await.expect("its state")
}

#[tokio::test]
async fn a_canary_names_its_part_and_pauses_that_roll_back_by_themselves() {
    let fake = Fake::start().await;
    under_way(&fake, CANARY).await;
    let update: Value = serde_json::from_str(&fake.seen("UpdateService")[0].body).expect("JSON");
    let asked = &update["deploymentConfiguration"];
    assert_eq!(asked["strategy"], "CANARY");
    assert_eq!(asked["canaryConfiguration"], json!({ "canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10 }));
    assert_eq!(asked["bakeTimeInMinutes"], 0);
    let hooks = json!([{
        "targetType": "PAUSE",
        "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"],
        "timeoutConfiguration": { "timeoutInMinutes": 15, "action": "ROLLBACK" },
    }]);
    assert_eq!(asked["lifecycleHooks"], hooks);
    assert_eq!(update.get("loadBalancers"), None, "they are left as the service has them");
    nothing_amiss(&fake);
}

#[tokio::test]
async fn a_service_that_cannot_move_requests_is_refused_with_what_it_lacks() {
    for (balancers, lacks) in [
        (json!([]), "no load balancer"),
        (json!([{ "targetGroupArn": "tg/1" }]), "advancedConfiguration"),
        (
            json!([{ "targetGroupArn": "tg/1", "advancedConfiguration": { "roleArn": "r" } }]),
            "alternateTargetGroupArn",
        ),
    ] {
        let fake = Fake::start().await;
        let old = serving(&fake, &version("1"), 2).await;
        fake.state().service.as_mut().expect("a service")["loadBalancers"] = balancers;
        let revision = registered(&fake, &version("2")).await;
        let spec = RolloutSpec { way: Way::BlueGreen, ..spec(&version("2"), &revision, None) };
        let error = ecs(&fake).start(&fence(), Some(&old), &spec).await.expect_err(lacks);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(lacks), "{error}");
        assert!(fake.seen("UpdateService").is_empty());
    }
}

#[tokio::test]
async fn each_stage_with_a_gate_is_waited_at_and_the_answer_names_the_hook_that_is_there() {
    let fake = Fake::start().await;
    let id = under_way(&fake, CANARY).await;
    assert!(matches!(state(&fake, &id).await, RolloutState::Running(_)));
    for (hook, word, stage) in [
        ("h1", "PRE_PRODUCTION_TRAFFIC_SHIFT", Stage::PreProductionTrafficShift),
        ("h2", "PRE_PRODUCTION_TRAFFIC_SHIFT", Stage::PreProductionTrafficShift),
        ("h3", "POST_PRODUCTION_TRAFFIC_SHIFT", Stage::PostProductionTrafficShift),
    ] {
        fake.state().wait(hook, word);
        let gate = GateId(hook.into());
        let waits = RolloutState::Waiting { gate: gate.clone(), stage: Some(stage) };
        assert_eq!(state(&fake, &id).await, waits);
        let stale = ecs(&fake).answer(&fence(), &id, &GateId("h0".into()), Answer::Continue).await;
        assert_eq!(stale.expect("an answer"), Answered::Gone, "a hook that is not there any more");
        let answered = ecs(&fake).answer(&fence(), &id, &gate, Answer::Continue).await;
        assert_eq!(answered.expect("an answer"), Answered::Taken);
    }
    assert_eq!(fake.seen("ContinueServiceDeployment").len(), 3);
    nothing_amiss(&fake);
}

#[tokio::test]
async fn an_answer_whose_answer_is_lost_is_given_once() {
    let fake = Fake::start().await;
    let id = under_way(&fake, CANARY).await;
    fake.state().wait("h1", "PRE_PRODUCTION_TRAFFIC_SHIFT");
    fake.state().faults.insert("ContinueServiceDeployment", Fault::LostAnswer);
    let answered = ecs(&fake).answer(&fence(), &id, &GateId("h1".into()), Answer::Continue).await;
    assert_eq!(answered.expect("an answer"), Answered::Gone);
    assert!(matches!(state(&fake, &id).await, RolloutState::Running(_)));
}

#[tokio::test]
async fn only_successful_is_success_and_every_other_end_is_told() {
    let fake = Fake::start().await;
    let id = under_way(&fake, Way::BlueGreen).await;
    fake.state().complete();
    for (status, wanted) in [
        ("SUCCESSFUL", "succeeded"),
        ("ROLLBACK_SUCCESSFUL", "rolled_back"),
        ("ROLLBACK_FAILED", "failed"),
        ("STOPPED", "failed"),
        ("ROLLBACK_IN_PROGRESS", "running"),
        ("STOP_REQUESTED", "running"),
        ("PENDING", "running"),
    ] {
        fake.state().records[1] = (State::arn(2), status, "why");
        let told = serde_json::to_value(state(&fake, &id).await).expect("JSON");
        assert_eq!(told["state"], wanted, "{status}: {told}");
    }
    // ListServiceDeployments lags behind: no record is no success.
    fake.state().records.clear();
    assert!(matches!(state(&fake, &id).await, RolloutState::Running(_)));
}

#[tokio::test]
async fn the_way_back_is_the_answer_at_a_gate_and_a_stop_between_two() {
    let fake = Fake::start().await;
    let id = under_way(&fake, CANARY).await;
    fake.state().wait("h1", "PRE_PRODUCTION_TRAFFIC_SHIFT");
    ecs(&fake).abort(&fence(), &id).await.expect("taken back");
    let answer: Value = serde_json::from_str(&fake.seen("ContinueServiceDeployment")[0].body).expect("JSON");
    assert_eq!(answer["action"], "ROLLBACK");
    ecs(&fake).abort(&fence(), &id).await.expect("it goes back already");
    assert!(fake.seen("StopServiceDeployment").is_empty());

    fake.state().records[1].1 = "IN_PROGRESS";
    fake.state().faults.insert("StopServiceDeployment", Fault::Throttled(1));
    ecs(&fake).abort(&fence(), &id).await.expect("stopped");
    let stop: Value = serde_json::from_str(&fake.seen("StopServiceDeployment")[0].body).expect("JSON");
    assert_eq!(stop["stopType"], "ROLLBACK");
    nothing_amiss(&fake);
}

#[tokio::test]
async fn somebody_elses_deployment_is_not_replaced_while_it_waits() {
    let fake = Fake::start().await;
    let id = under_way(&fake, CANARY).await;
    let revision = registered(&fake, &version("3")).await;
    let third = RolloutSpec { way: CANARY, ..spec(&version("3"), &revision, None) };
    let error = ecs(&fake).start(&fence(), Some(&id), &third).await.expect_err("one at a time");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(ecs(&fake).observe().await.expect("observed").rollout.is_some_and(|rollout| rollout.gated));
    // And what replaced ours is named.
    fake.state().deployments()[0]["id"] = json!("ecs-svc/9");
    fake.state().records[1] = (State::arn(2), "STOPPED", "");
    assert!(matches!(state(&fake, &id).await, RolloutState::Superseded { .. }));
    assert_eq!(fake.seen("UpdateService").len(), 1);
}
