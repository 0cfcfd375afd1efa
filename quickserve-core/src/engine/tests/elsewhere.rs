//! Owners on other machines: whether they live shows only with time.

use super::left::left_baking;
use super::steering::{Heard, state};
use super::too_late::{baking, with_one};
use super::*;
use crate::clock::after;
use crate::error::ErrorKind;

/// Looks for the process of an owner of whom nothing is known here.
#[derive(Debug)]
struct Elsewhere;

impl Liveness for Elsewhere {
    fn check(&self, _: &Process) -> Option<bool> {
        None
    }

    fn restarted(&self, _: &Process) -> Option<jiff::Timestamp> {
        None
    }
}

/// A deployer on another machine that somebody listens to.
fn elsewhere(stage: &Stage) -> (Deployer, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let (mut parts, _) = stage.parts(Arc::new(crate::fault::NoFaults), heard.clone());
    parts.liveness = Arc::new(Elsewhere);
    (Deployer::new(parts), heard)
}

#[tokio::test]
async fn whoever_looks_whether_an_owner_lives_says_so_and_may_be_interrupted() {
    for interrupted in [false, true] {
        for act in ["deploy", "rollback", "resume", "down", "restart"] {
            let stage = left_baking().await;
            let (deployer, heard) = elsewhere(&stage);
            let control = Control::default();
            let request = stage.request(release(4));
            let acts = async {
                match act {
                    "deploy" => deployer.deploy(&request, &control).await,
                    "rollback" => deployer.roll_back(None, &control).await,
                    "resume" => deployer.resume(&control).await,
                    "restart" => deployer.restart(&control).await,
                    _ => deployer.take_down(Duration::from_secs(1), &control).await,
                }
            };
            let half = after(stage.clock.now(), Duration::from_secs(10));
            let interrupt = async {
                while interrupted && stage.clock.now() < half {
                    tokio::task::yield_now().await;
                }
                if interrupted {
                    control.abort(AbortKind::Interrupted);
                }
            };
            let (finished, ()) = tokio::join!(acts, interrupt);
            let finished = finished.expect("an end");
            let told = heard.waits();
            assert!(
                told.first().is_some_and(|told| told.contains("still lives, up to 3")),
                "{act}: {told:?}"
            );
            if interrupted {
                assert_eq!((finished.outcome, finished.exit_code), (Outcome::Interrupted, 130), "{act}");
                assert!(state(&stage).await.open.is_some(), "{act}: nothing was begun");
            } else {
                assert_eq!(finished.exit_code, 0, "{act}: {finished:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_owner_that_turns_out_to_live_is_busy_and_nobody_waited_for_it() {
    let stage = with_one(Duration::from_mins(2)).await;
    let (deployer, heard) = elsewhere(&stage);
    let request = stage.request(release(3));
    let other = async || deployer.deploy(&request, &Control::default()).await;
    let (ended, held) = baking(&stage, other).await;
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!(held.expect_err("busy").kind(), ErrorKind::Busy);
    assert_eq!(heard.waits().len(), 1, "{:?}", heard.waits());
}
