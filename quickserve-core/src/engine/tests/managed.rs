//! A platform that rolls out by itself: what it finished, what somebody else did to it, and what is left alone.

use super::*;
use crate::event::Finished;
use crate::fault::NoFaults;
use crate::orchestrator::{Drive, Orchestrator, Revision};
use crate::plan::{Gradual, SmokeCheck, SmokeExpectation};
use crate::rollout::{Answer, ManagedRollout, RolloutSpec, RolloutState, Started, Way};
use crate::traffic::Percent;

const MINUTE: Duration = Duration::from_mins(1);

/// A stage on which the platform rolls out by itself.
fn stage(tasks: u32) -> Stage {
    Stage::new(Strategy::Rolling, tasks)
}

/// A process there.
fn actor(stage: &Stage, plan: FaultPlan) -> Actor {
    let faults = Arc::new(Faults::new(plan, stage.clock.clone()));
    let (mut parts, pid) = stage.parts(faults.clone(), Arc::new(Silent));
    parts.platform = Arc::new(stage.world.managed(faults.clone()));
    Actor { deployer: Deployer::new(parts), control: Control::default(), faults, pid }
}

async fn deploy(stage: &Stage, release: Release) -> Finished {
    let actor = actor(stage, FaultPlan::default());
    actor.deployer.deploy(&stage.request(release), &actor.control).await.expect("an end")
}

/// Deploys, and dies where the plan says.
async fn deploy_and_die(stage: &Stage, release: Release, plan: FaultPlan) {
    let actor = actor(stage, plan);
    let ended =
        actor.faults.until_crash(actor.deployer.deploy(&stage.request(release), &actor.control)).await;
    assert!(ended.is_none(), "it died: {ended:?}");
    stage.dead.pids.lock().unwrap_or_else(PoisonError::into_inner).insert(actor.pid);
}

/// Somebody who starts a rollout past the journal.
async fn start_by_hand(stage: &Stage, release: Release, tasks: Option<u32>) {
    let platform = stage.world.managed(Arc::new(NoFaults));
    // As if it were one of ours: the platform knows no owners.
    let epoch = actor(stage, FaultPlan::default()).deployer.journal().await.expect("a journal").state().epoch;
    let fence = Fence { epoch, op: 0, not_after: jiff::Timestamp::MAX };
    platform.register(&fence, &release).await.expect("registered");
    let from = platform.observe().await.expect("observed").rollout.map(|rollout| rollout.id);
    let spec = RolloutSpec {
        revision: Revision(release.id.to_string()),
        release: Some(Arc::new(release)),
        tasks,
        fresh: false,
        minimum_healthy_percent: 100,
        maximum_percent: 200,
        way: Way::Rolling,
        gates: Vec::new(),
        gate_timeout: MINUTE,
    };
    let started = platform.start(&fence, from.as_ref(), &spec).await.expect("started");
    assert!(matches!(started, Started::Rollout(_)), "{started:?}");
}

async fn current(stage: &Stage) -> Option<ReleaseId> {
    actor(stage, FaultPlan::default()).deployer.journal().await.expect("a journal").state().current().cloned()
}

fn serving(finished: &Finished) -> Vec<(ReleaseId, u32)> {
    finished.serving.iter().map(|serving| (serving.release.clone(), serving.tasks)).collect()
}

#[tokio::test]
async fn a_release_serves_alone_with_the_evidence_of_the_platform() {
    let stage = stage(2);
    assert_eq!(deploy(&stage, release(1)).await.outcome, Outcome::Done);
    let finished = deploy(&stage, release(2)).await;
    assert_eq!(finished.outcome, Outcome::Done);
    assert_eq!(serving(&finished), [(release(2).id, 2)]);
    assert_eq!(deploy(&stage, release(2)).await.outcome, Outcome::Unchanged);
    assert_eq!(current(&stage).await, Some(release(2).id));
}

#[tokio::test]
async fn what_the_platform_finished_while_nobody_watched_is_promoted() {
    for command in ["resume", "deploy another"] {
        let stage = stage(2);
        deploy(&stage, release(1)).await;
        let dies = FaultPlan::default().on("rollout", "start", 1, Fault::CrashAfter);
        deploy_and_die(&stage, release(2), dies).await;
        stage.clock.advance(MINUTE);
        let next = actor(&stage, FaultPlan::default());
        let finished = match command {
            "resume" => next.deployer.resume(&next.control).await,
            _ => next.deployer.deploy(&stage.request(release(3)), &next.control).await,
        };
        assert_eq!(finished.expect("an end").outcome, Outcome::Done, "{command}");
        let journal = next.deployer.journal().await.expect("a journal");
        assert!(journal.state().promoted.contains(&release(2).id), "{command}: the second release is good");
    }
}

#[tokio::test]
async fn a_platform_that_does_not_answer_at_once_is_asked_again_before_anything_is_undone() {
    for operation in ["find", "state"] {
        let stage = stage(1);
        deploy(&stage, release(1)).await;
        let dies = FaultPlan::default().on("rollout", "start", 1, Fault::CrashAfter);
        deploy_and_die(&stage, release(2), dies).await;
        stage.clock.advance(24 * HOUR);
        let next = actor(&stage, FaultPlan::default().on("rollout", operation, 1, Fault::Fail));
        let finished = next.deployer.resume(&next.control).await.expect("an end");
        assert_eq!(finished.outcome, Outcome::Done, "{operation}: {:?}", finished.cause);
        assert_eq!(current(&stage).await, Some(release(2).id), "{operation}");
    }
}

#[tokio::test]
async fn what_the_platform_finished_long_after_the_deadline_is_promoted_too() {
    let stage = stage(1);
    deploy(&stage, release(1)).await;
    let dies = FaultPlan::default().on("rollout", "start", 1, Fault::CrashAfter);
    deploy_and_die(&stage, release(2), dies).await;
    stage.clock.advance(24 * HOUR);
    let next = actor(&stage, FaultPlan::default());
    let finished = next.deployer.resume(&next.control).await.expect("an end");
    assert_eq!(finished.outcome, Outcome::Done);
    assert_eq!(current(&stage).await, Some(release(2).id));
}

#[tokio::test]
async fn what_the_platform_took_back_is_a_failure_with_its_reason() {
    let stage = stage(2);
    deploy(&stage, release(1)).await;
    stage.world.set_behaviour(&release(2).id, Behaviour::Crashes { after: Duration::ZERO });
    let finished = deploy(&stage, release(2)).await;
    assert_eq!(finished.outcome, Outcome::RolledBack);
    let cause = finished.cause.as_ref().expect("a cause");
    assert!(cause.message.starts_with("the platform took "), "{cause:?}");
    assert_eq!(cause.causes[0], "circuit breaker: 4 tasks failed");
    assert!(cause.causes.iter().any(|cause| cause.contains("exited 1")), "{cause:?}");
    assert!(finished.condemned);
    assert_eq!(serving(&finished), [(release(1).id, 2)]);
    // ECS calls this a success when asked for the service alone.
    assert_eq!(deploy(&stage, release(2)).await.outcome, Outcome::Refused);
}

#[tokio::test]
async fn a_first_release_that_fails_leaves_nothing() {
    let mut stage = stage(2);
    stage.config.timeout = MINUTE;
    stage.world.set_behaviour(&release(1).id, Behaviour::NeverHealthy);
    let finished = deploy(&stage, release(1)).await;
    assert_eq!(finished.outcome, Outcome::RolledBack);
    assert_eq!(serving(&finished), []);
    let platform = stage.world.managed(Arc::new(NoFaults));
    assert_eq!(platform.observe().await.expect("observed").rollout, None);
    assert!(stage.world.truth().sets.is_empty());
}

#[tokio::test]
async fn a_service_that_somebody_else_made_goes_back_to_what_they_had_there() {
    let stage = stage(2);
    start_by_hand(&stage, release(9), Some(2)).await;
    stage.clock.advance(MINUTE);
    for (number, behaviour) in
        [(1, Behaviour::Crashes { after: Duration::ZERO }), (2, Behaviour::NeverHealthy)]
    {
        stage.world.set_behaviour(&release(number).id, behaviour);
        let finished = deploy(&stage, release(number)).await;
        assert_eq!(finished.outcome, Outcome::RolledBack, "{:?}", finished.cause);
        assert!(finished.condemned);
        assert_eq!(serving(&finished), [(release(9).id, 2)]);
    }
    assert_eq!(current(&stage).await, None, "what is theirs is no release of ours");
    assert_eq!(deploy(&stage, release(3)).await.outcome, Outcome::Done);
    assert_eq!(current(&stage).await, Some(release(3).id));
}

#[tokio::test]
async fn whoever_comes_after_a_death_goes_back_to_what_others_had_there() {
    let stage = stage(1);
    start_by_hand(&stage, release(9), Some(1)).await;
    stage.clock.advance(MINUTE);
    stage.world.set_behaviour(&release(1).id, Behaviour::NeverHealthy);
    deploy_and_die(&stage, release(1), FaultPlan::default().on("rollout", "start", 1, Fault::CrashAfter))
        .await;
    let next = actor(&stage, FaultPlan::default());
    let finished = next.deployer.resume(&next.control).await.expect("an end");
    assert_eq!(finished.outcome, Outcome::RolledBack, "{:?}", finished.cause);
    assert_eq!(serving(&finished), [(release(9).id, 1)]);
}

#[tokio::test]
async fn a_service_that_somebody_else_changes_meanwhile_is_theirs() {
    let stage = stage(1);
    deploy(&stage, release(1)).await;
    stage.world.set_behaviour(&release(2).id, Behaviour::Healthy { after: Duration::from_millis(1500) });
    let first = actor(&stage, FaultPlan::default());
    let request = stage.request(release(2));
    let deploys = first.deployer.deploy(&request, &first.control);
    let interferes = async {
        // Once it is under way.
        while !stage.world.truth().sets.contains_key(&release(2).id) {
            tokio::task::yield_now().await;
        }
        start_by_hand(&stage, release(9), None).await;
    };
    let (finished, ()) = tokio::join!(deploys, interferes);
    let finished = finished.expect("an end");
    assert_eq!(finished.outcome, Outcome::Superseded);
    assert!(!finished.condemned, "it was no fault of the release");
    stage.clock.advance(MINUTE);
    let platform = stage.world.managed(Arc::new(NoFaults));
    let rollout = platform.observe().await.expect("observed").rollout.expect("a rollout");
    assert_eq!(rollout.release, Some(release(9).id), "nothing was put in its place");
    let journal = actor(&stage, FaultPlan::default()).deployer.journal().await.expect("a journal");
    assert!(journal.state().open.is_none(), "the next command is free to begin");
}

#[tokio::test]
async fn a_number_of_tasks_that_somebody_else_keeps_is_left_alone() {
    let stage = stage(2);
    deploy(&stage, release(1)).await;
    start_by_hand(&stage, release(1), Some(4)).await;
    let finished = deploy(&stage, release(2)).await;
    assert_eq!(finished.outcome, Outcome::Done);
    assert_eq!(serving(&finished), [(release(2).id, 4)]);
    let scales = actor(&stage, FaultPlan::default());
    let finished = scales.deployer.scale(3, &scales.control).await.expect("an end");
    assert_eq!(serving(&finished), [(release(2).id, 3)], "but who asks for a number gets it");
}

#[tokio::test]
async fn a_number_of_tasks_that_the_configuration_asks_for_is_given() {
    let mut stage = stage(2);
    deploy(&stage, release(1)).await;
    start_by_hand(&stage, release(1), Some(4)).await;
    stage.config.tasks = Some(2);
    assert_eq!(serving(&deploy(&stage, release(2)).await), [(release(2).id, 2)]);
}

#[tokio::test]
async fn a_restart_replaces_every_task() {
    let stage = stage(2);
    deploy(&stage, release(1)).await;
    let tasks = || -> BTreeSet<_> {
        stage.world.truth().sets[&release(1).id].live().map(|task| task.id.clone()).collect()
    };
    let before = tasks();
    let restarts = actor(&stage, FaultPlan::default());
    let finished = restarts.deployer.restart(&restarts.control).await.expect("an end");
    assert_eq!(finished.outcome, Outcome::Done);
    assert_eq!(tasks().len(), 2);
    assert!(tasks().is_disjoint(&before), "{before:?} and {:?}", tasks());
}

#[tokio::test]
async fn ways_that_it_does_not_have_are_refused_when_planning() {
    let mut stage = stage(1);
    stage.config.strategy = Strategy::Recreate;
    let actor = actor(&stage, FaultPlan::default());
    let refused = actor.deployer.plan(&stage.request(release(1))).await.expect_err("refused");
    assert_eq!(refused.kind(), crate::ErrorKind::Unsupported);
    assert!(matches!(stage.world.managed(Arc::new(NoFaults)).drive(), Drive::Managed(_)));
}

/// A stage whose first release serves, on which the second moves as a canary.
async fn canary_stage() -> Stage {
    let mut stage = Stage::new(Strategy::Canary, 2);
    let expect = SmokeExpectation { status: 200, json: BTreeMap::new() };
    stage.config.smoke = vec![SmokeCheck { path: "/".into(), timeout: Duration::from_secs(1), expect }];
    assert_eq!(deploy(&stage, release(1)).await.outcome, Outcome::Done);
    stage
}

#[tokio::test]
async fn a_release_that_fails_at_a_gate_never_gets_a_request() {
    let stage = canary_stage().await;
    stage.world.set_behaviour(&release(2).id, Behaviour::Broken);
    let finished = deploy(&stage, release(2)).await;
    assert_eq!(finished.outcome, Outcome::RolledBack);
    assert!(finished.condemned);
    let cause = finished.cause.as_ref().expect("a cause");
    assert!(cause.message.contains("failed on the test listener"), "{cause:?}");
    assert_eq!(serving(&finished), [(release(1).id, 2)]);
}

#[tokio::test]
async fn a_client_that_never_returns_leaves_a_rollout_that_goes_back_by_itself() {
    let stage = canary_stage().await;
    let dies = FaultPlan::default().on("rollout", "answer", 1, Fault::CrashAfter);
    deploy_and_die(&stage, release(2), dies).await;
    let platform = stage.world.managed(Arc::new(NoFaults));
    stage.clock.advance(HOUR);
    platform.observe().await.expect("observed");
    stage.clock.advance(HOUR);
    let observed = platform.observe().await.expect("observed");
    assert_eq!(observed.rollout.expect("a rollout").release, Some(release(1).id));
    let next = actor(&stage, FaultPlan::default());
    let finished = next.deployer.resume(&next.control).await.expect("an end");
    assert_eq!(finished.outcome, Outcome::RolledBack);
    assert_eq!(current(&stage).await, Some(release(1).id));
}

#[tokio::test]
async fn what_somebody_else_let_through_is_taken_back() {
    let stage = canary_stage().await;
    let dies = FaultPlan::default().on("rollout", "start", 1, Fault::CrashAfter);
    deploy_and_die(&stage, release(2), dies).await;
    let platform = stage.world.managed(Arc::new(NoFaults));
    let fence = {
        let epoch =
            actor(&stage, FaultPlan::default()).deployer.journal().await.expect("a journal").state().epoch;
        Fence { epoch, op: 0, not_after: jiff::Timestamp::MAX }
    };
    let rollout = platform.find(&release(2).id).await.expect("found").expect("a rollout");
    while platform.state(&rollout).await.expect("its state") != RolloutState::Succeeded {
        if let RolloutState::Waiting { gate, .. } = platform.state(&rollout).await.expect("its state") {
            platform.answer(&fence, &rollout, &gate, Answer::Continue).await.expect("answered");
        }
        stage.clock.advance(MINUTE);
    }
    let next = actor(&stage, FaultPlan::default());
    let finished = next.deployer.resume(&next.control).await.expect("an end");
    assert_eq!(finished.outcome, Outcome::RolledBack);
    assert_eq!(serving(&finished), [(release(1).id, 2)]);
    assert!(!finished.condemned, "nobody has looked at it");
}

#[tokio::test]
async fn what_cannot_be_kept_exactly_is_refused_when_planning() {
    let mut stage = canary_stage().await;
    let two = vec![Percent::CANARY, Percent::STEP];
    for gradual in [
        Gradual { canary_percent: two, ..Gradual::default() },
        Gradual { canary_bake_time: Duration::from_millis(1500), ..Gradual::default() },
    ] {
        stage.config.gradual = gradual;
        let actor = actor(&stage, FaultPlan::default());
        let refused = actor.deployer.plan(&stage.request(release(2))).await.expect_err("refused");
        assert_eq!(refused.kind(), crate::ErrorKind::Unsupported, "{refused}");
    }
}
