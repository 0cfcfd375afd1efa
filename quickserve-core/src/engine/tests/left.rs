//! A deployment whose owner died, taken back.

use super::steering::{WAIT, state};
use super::*;

/// The second release serves, and a third one is in flight that its owner left in the middle of its bake.
pub(super) async fn left_baking() -> Stage {
    let mut stage = with_two(Strategy::BlueGreen).await;
    stage.config.bake_time = Duration::from_mins(5);
    let owner = stage.actor(FaultPlan::default());
    let request = stage.request(release(3));
    let bakes = async {
        while state(&stage)
            .await
            .open
            .is_none_or(|open| open.step.is_none_or(|(_, step, _)| step.name() != "bake"))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = owner.deployer.deploy(&request, &owner.control) => panic!("it never baked: {ended:?}"),
        () = bakes => {}
    }
    stage.dead.pids.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.pid);
    stage
}

#[tokio::test]
async fn a_wish_to_take_a_dead_owners_deployment_back_outlives_whoever_had_it() {
    for roll_back in [false, true] {
        for number in 1.. {
            let stage = left_baking().await;
            let act = async |actor: &Actor| {
                if roll_back {
                    actor.deployer.roll_back(None, &actor.control).await.map(drop)
                } else {
                    actor.deployer.abort(&actor.control, WAIT).await.map(drop)
                }
            };
            let ended = stage.die(stage.actor(FaultPlan::default()), number, act).await.is_some();
            let open = state(&stage).await.open;
            let taken_over = open.as_ref().is_some_and(|open| open.owner.nonce != open.opened.owner.nonce);
            // Before anything was recorded, nobody can know of it.
            let untouched = open.as_ref().is_some_and(|open| !taken_over && open.abort.is_none());
            let resumed = stage.resume().await;
            if !untouched {
                assert_eq!(stage.existing(), [release(2).id], "died at call {number}: {resumed:?}");
            }
            if ended {
                break;
            }
        }
    }
}
