//! Locks, pauses and waiting for one's turn.

use super::*;
use crate::clock::after;
use crate::error::ErrorKind;
use crate::event::{Envelope, Observer, Progress};
use crate::journal::State;

pub(super) const WAIT: Duration = Duration::from_mins(5);

/// Keeps what it is told.
#[derive(Debug, Default)]
pub(super) struct Heard {
    events: Mutex<Vec<Progress>>,
}

impl Observer for Heard {
    fn observe(&self, event: Envelope) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event.progress);
    }
}

impl Heard {
    pub(super) fn all(&self) -> Vec<Progress> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn waits(&self) -> Vec<String> {
        let wait = |progress| match progress {
            Progress::Waiting { message } => Some(message),
            _ => None,
        };
        self.all().into_iter().filter_map(wait).collect()
    }
}

/// A deployer that somebody listens to.
fn heard(stage: &Stage) -> (Deployer, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let faults = Arc::new(Faults::new(FaultPlan::default(), stage.clock.clone()));
    (stage.deployer_heard(faults, heard.clone()).0, heard)
}

pub(super) async fn state(stage: &Stage) -> State {
    stage.journal().await.state().clone()
}

async fn paused(stage: &Stage, number: u32) {
    let actor = stage.actor(FaultPlan::default());
    actor.control.pause();
    let finished = actor.deployer.deploy(&stage.request(release(number)), &actor.control).await;
    assert_eq!(finished.expect("an end").outcome, Outcome::Paused);
}

async fn promote(stage: &Stage) -> Outcome {
    let actor = stage.actor(FaultPlan::default());
    actor.deployer.promote(&actor.control).await.expect("an end").outcome
}

pub(super) fn serving(stage: &Stage) -> Vec<ReleaseId> {
    stage.world.truth().split.serving().map(|(release, _)| release.clone()).collect()
}

#[tokio::test]
async fn a_locked_service_is_neither_deployed_nor_taken_down_but_rolled_back() {
    let stage = with_two(Strategy::BlueGreen).await;
    stage.journal().await.lock("ada@laptop", "why").await.expect("a lock");
    let actor = stage.actor(FaultPlan::default());
    let deployed = actor.deployer.deploy(&stage.request(release(3)), &actor.control).await;
    let down = actor.deployer.take_down(Duration::from_secs(1), &actor.control).await;
    for refused in [deployed, down] {
        assert_eq!(refused.expect_err("refused").kind(), ErrorKind::Busy);
    }
    assert!(actor.faults.calls().iter().all(|call| !call.mutating), "{:?}", actor.faults.calls());
    let back = actor.deployer.roll_back(None, &actor.control).await.expect("an end");
    assert_eq!(back.outcome, Outcome::Done);
    assert_eq!(stage.existing(), [release(1).id]);
    assert!(state(&stage).await.lock().is_some());
}

#[tokio::test]
async fn a_pause_comes_before_the_first_change_of_traffic_and_promote_goes_on() {
    for strategy in [Strategy::Recreate, Strategy::Rolling, Strategy::BlueGreen] {
        let stage = with_two(strategy).await;
        paused(&stage, 3).await;
        assert_eq!(serving(&stage), [release(2).id], "{strategy}");
        assert_eq!(promote(&stage).await, Outcome::Done, "{strategy}");
        assert_eq!(stage.existing(), [release(3).id], "{strategy}");
    }
}

#[tokio::test]
async fn a_pause_asked_for_from_elsewhere_is_heeded_by_the_owner() {
    let mut stage = Stage::new(Strategy::BlueGreen, 1);
    stage.config.bake_time = Duration::from_secs(30);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    let owner = stage.actor(FaultPlan::default());
    let (other, heard) = heard(&stage);
    let request = stage.request(release(2));
    let ask = async {
        while !serving(&stage).contains(&release(2).id) {
            tokio::task::yield_now().await;
        }
        other.pause(&Control::default(), WAIT).await
    };
    let (deployed, asked) = tokio::join!(owner.deployer.deploy(&request, &owner.control), ask);
    assert_eq!(deployed.expect("an end").outcome, Outcome::Paused);
    assert_eq!(asked.expect("an end").outcome, Outcome::Done);
    let told = heard.all();
    assert!(matches!(told.first(), Some(Progress::PauseAsked { .. })), "first of all: {told:?}");
    let open = state(&stage).await.open.expect("a deployment");
    assert_eq!(open.parked.expect("paused").before.name(), "promote");
    assert_eq!(promote(&stage).await, Outcome::Done);
}

#[tokio::test]
async fn a_paused_deployment_holds_the_service_and_is_aborted_or_rolled_back_at_any_time() {
    for roll_back in [false, true] {
        let stage = with_two(Strategy::BlueGreen).await;
        paused(&stage, 3).await;
        let actor = stage.actor(FaultPlan::default());
        let held = actor.deployer.deploy(&stage.request(release(4)), &actor.control).await;
        let held = held.expect_err("busy");
        assert_eq!(held.kind(), ErrorKind::Busy);
        assert!(held.hint().is_some_and(|hint| hint.contains("promote")), "{held:?}");
        let resumed = actor.deployer.resume(&actor.control).await.expect("an end");
        assert_eq!((resumed.outcome, resumed.exit_code), (Outcome::Paused, 6));
        let done = if roll_back {
            actor.deployer.roll_back(None, &actor.control).await
        } else {
            actor.deployer.abort(&actor.control, WAIT).await
        };
        let done = done.expect("an end");
        assert_eq!((done.outcome, done.cause), (Outcome::Done, None), "as asked, without a caution");
        assert_eq!(stage.existing(), [release(2).id]);
        assert!(!state(&stage).await.condemned.contains_key(&release(3).id), "nobody has judged it");
    }
}

#[tokio::test]
async fn a_pause_stops_the_deadline_and_a_pause_that_nobody_answers_is_taken_back_by_the_next() {
    let stage = with_two(Strategy::BlueGreen).await;
    paused(&stage, 3).await;
    stage.clock.advance(20 * HOUR);
    assert_eq!(promote(&stage).await, Outcome::Done);
    paused(&stage, 4).await;
    stage.clock.advance(25 * HOUR);
    assert_eq!(stage.deploy(release(5)).await, Outcome::Done);
    assert_eq!(stage.existing(), [release(5).id]);
    let outcomes: Vec<_> = state(&stage).await.deployments.iter().filter_map(|one| one.outcome).collect();
    assert_eq!(outcomes[3..], [Outcome::RolledBack, Outcome::Done]);
}

#[tokio::test]
async fn a_release_that_spoiled_while_it_was_paused_is_not_promoted() {
    let stage = with_two(Strategy::BlueGreen).await;
    paused(&stage, 3).await;
    stage.world.set_behaviour(&release(3).id, Behaviour::NeverHealthy);
    for task in &stage.world.truth().sets[&release(3).id].tasks {
        stage.world.kill(&task.id);
    }
    assert_eq!(promote(&stage).await, Outcome::RolledBack);
    assert_eq!(stage.existing(), [release(2).id]);
}

#[tokio::test]
async fn what_is_not_in_flight_or_not_paused_needs_no_answer() {
    let stage = with_two(Strategy::BlueGreen).await;
    let actor = stage.actor(FaultPlan::default());
    assert_eq!(promote(&stage).await, Outcome::Unchanged);
    let asked = actor.deployer.pause(&actor.control, WAIT).await.expect("an end");
    assert_eq!(asked.outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn whoever_waits_for_its_turn_is_told_each_step_of_the_holder_and_has_it_then() {
    let stage = with_two(Strategy::BlueGreen).await;
    let holder = stage.actor(FaultPlan::default());
    let (waiter, heard) = heard(&stage);
    let waiter = waiter.with_patience(WAIT);
    let (held, wanted) = (stage.request(release(3)), stage.request(release(4)));
    let (control, other) = (Control::default(), Control::default());
    let later = async {
        while state(&stage).await.open.is_none() {
            tokio::task::yield_now().await;
        }
        waiter.deploy(&wanted, &other).await
    };
    let (first, second) = tokio::join!(holder.deployer.deploy(&held, &control), later);
    assert_eq!(first.expect("an end").outcome, Outcome::Done);
    assert_eq!(second.expect("an end").outcome, Outcome::Done);
    assert_eq!(stage.existing(), [release(4).id]);
    let told = heard.waits();
    assert!(told.len() > 1 && told.iter().all(|told| told.contains("tester (pid")), "{told:?}");
}

#[tokio::test]
async fn a_wait_has_an_end_and_is_interrupted_before_it() {
    for interrupted in [false, true] {
        let stage = with_two(Strategy::BlueGreen).await;
        paused(&stage, 3).await;
        let actor = stage.actor(FaultPlan::default());
        let deployer = actor.deployer.clone().with_patience(WAIT);
        let request = stage.request(release(4));
        let half = after(stage.clock.now(), WAIT / 2);
        let interrupt = async {
            while interrupted && stage.clock.now() < half {
                tokio::task::yield_now().await;
            }
            if interrupted {
                actor.control.abort(AbortKind::Interrupted);
            }
        };
        let (finished, ()) = tokio::join!(deployer.deploy(&request, &actor.control), interrupt);
        let expected = if interrupted { Outcome::Interrupted } else { Outcome::TimedOut };
        assert_eq!(finished.expect("an end").outcome, expected);
        assert!(state(&stage).await.open.expect("a deployment").parked.is_some(), "it was left alone");
    }
}

#[tokio::test]
async fn a_resume_follows_a_living_owner_and_ends_as_it_does() {
    let stage = with_two(Strategy::BlueGreen).await;
    stage.world.set_behaviour(&release(3).id, Behaviour::Crashes { after: Duration::from_millis(700) });
    let owner = stage.actor(FaultPlan::default());
    let (follower, heard) = heard(&stage);
    let request = stage.request(release(3));
    let control = Control::default();
    let follow = async {
        while state(&stage).await.open.is_none() {
            tokio::task::yield_now().await;
        }
        follower.resume(&control).await
    };
    let (ended, followed) = tokio::join!(owner.deployer.deploy(&request, &owner.control), follow);
    let (ended, followed) = (ended.expect("an end"), followed.expect("an end"));
    assert_eq!(ended.outcome, Outcome::RolledBack);
    assert_eq!((followed.outcome, followed.deployment), (ended.outcome, ended.deployment));
    let failed = |progress: &Progress| matches!(progress, Progress::StepFailed { .. });
    assert!(heard.all().iter().any(failed), "{:?}", heard.all());
}
