//! A wish that comes when there is nothing left to be done about it.

use super::steering::{WAIT, serving, state};
use super::*;

/// Deploys the second release, and does something else once it serves.
pub(super) async fn baking<T>(stage: &Stage, then: impl AsyncFnOnce() -> T) -> (crate::event::Finished, T) {
    let owner = stage.actor(FaultPlan::default());
    let request = stage.request(release(2));
    let then = async {
        while !serving(stage).contains(&release(2).id) {
            tokio::task::yield_now().await;
        }
        then().await
    };
    let (ended, then) = tokio::join!(owner.deployer.deploy(&request, &owner.control), then);
    (ended.expect("an end"), then)
}

/// A first release that serves, and a time in which a second one bakes.
pub(super) async fn with_one(bake_time: Duration) -> Stage {
    let mut stage = Stage::new(Strategy::BlueGreen, 1);
    stage.config.bake_time = bake_time;
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    stage
}

#[tokio::test]
async fn an_abort_that_came_too_late_is_refused() {
    // Heard of while its owner finishes what it has promoted.
    let stage = with_one(Duration::from_secs(1)).await;
    let other = stage.actor(FaultPlan::default());
    let promoted = async || {
        while !state(&stage).await.open.is_some_and(|open| open.promoted) {
            tokio::task::yield_now().await;
        }
        other.deployer.abort(&other.control, WAIT).await.expect("an end")
    };
    let (ended, aborted) = baking(&stage, promoted).await;
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!((aborted.outcome, aborted.exit_code), (Outcome::Refused, 3));
    assert_eq!(aborted.serving.len(), 1, "{:?}", aborted.serving);
    assert!(aborted.cause.expect("a cause").message.contains("was promoted"));

    // Its owner died after it had promoted: it is finished.
    let stage = with_one(Duration::from_secs(1)).await;
    let owner = stage.actor(FaultPlan::default());
    let request = stage.request(release(2));
    let promoted = async {
        while !state(&stage).await.open.is_some_and(|open| open.promoted) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = promoted => {}
        ended = owner.deployer.deploy(&request, &owner.control) => panic!("too fast: {ended:?}"),
    }
    stage.dead.pids.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.pid);
    let actor = stage.actor(FaultPlan::default());
    let aborted = actor.deployer.abort(&actor.control, WAIT).await.expect("an end");
    assert_eq!((aborted.outcome, aborted.exit_code), (Outcome::Refused, 3));
    assert_eq!(stage.existing(), [release(2).id]);
    assert!(state(&stage).await.open.is_none());
}
