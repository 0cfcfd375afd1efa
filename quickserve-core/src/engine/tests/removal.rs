//! A removal that is stopped in the middle brings the service back.

use super::*;

const DRAIN: Duration = Duration::from_secs(1);

/// Asks its own process to stop at its nth call.
#[derive(Debug, Default)]
struct StopsAt {
    at: u64,
    number: std::sync::atomic::AtomicU64,
    control: Control,
}

#[async_trait::async_trait]
impl Interceptor for StopsAt {
    fn number(&self) -> u64 {
        self.number.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
    }

    async fn before(&self, call: &Call) -> Verdict {
        if call.number == self.at {
            self.control.abort(AbortKind::Interrupted);
        }
        Verdict::Proceed
    }

    async fn after(&self, _: &Call) -> Verdict {
        Verdict::Proceed
    }
}

#[tokio::test]
async fn an_interrupted_removal_brings_the_service_back_until_its_port_is_closed() {
    for strategy in [Strategy::Recreate, Strategy::Rolling, Strategy::BlueGreen] {
        let mut back = 0;
        for at in 1.. {
            let stage = with_two(strategy).await;
            let stops = Arc::new(StopsAt { at, ..StopsAt::default() });
            let (deployer, _) = stage.deployer(stops.clone());
            let finished = deployer.take_down(DRAIN, &stops.control).await.expect("an end");
            let existing = stage.existing();
            match finished.outcome {
                Outcome::Interrupted => {
                    back += 1;
                    assert_eq!(existing, [release(2).id], "{strategy}, stopped at call {at}");
                    assert_eq!(finished.serving.len(), 1, "{strategy}, stopped at call {at}");
                    let truth = stage.world.truth();
                    assert_eq!(truth.split.serving().count(), 1, "{strategy}, stopped at call {at}");
                    assert_eq!(stage.deploy(release(2)).await, Outcome::Unchanged);
                }
                outcome => {
                    assert_eq!(outcome, Outcome::Done, "{strategy}, stopped at call {at}");
                    assert!(existing.is_empty(), "{strategy}, stopped at call {at}");
                }
            }
            if stops.control.requested().is_none() {
                break;
            }
        }
        assert!(back > 10, "{strategy}: {back}");
    }
}

#[tokio::test]
async fn a_removal_whose_owner_died_is_rolled_back_or_aborted_until_it_is_decided() {
    for roll_back in [false, true] {
        let mut kept = 0;
        for number in 1.. {
            let stage = with_two(Strategy::BlueGreen).await;
            let act = async |actor: &Actor| actor.deployer.take_down(DRAIN, &actor.control).await.map(drop);
            let ended = stage.die(stage.actor(FaultPlan::default()), number, act).await.is_some();
            let before = stage.journal().await.state().clone();
            let removed = before.promoted.is_empty();
            let actor = stage.actor(FaultPlan::default());
            let back = if roll_back {
                actor.deployer.roll_back(None, &actor.control).await
            } else {
                actor.deployer.abort(&actor.control, HOUR).await
            };
            let journal = stage.journal().await;
            assert!(journal.state().open.is_none(), "died at call {number}");
            match (before.open, removed) {
                (Some(_), false) => {
                    kept += 1;
                    let back = back.expect("an end");
                    assert_eq!(back.outcome, Outcome::Done, "died at call {number}");
                    assert_eq!(back.serving.len(), 1, "died at call {number}");
                    assert_eq!(stage.existing(), [release(2).id], "died at call {number}");
                }
                (Some(_), true) => {
                    assert!(stage.existing().is_empty(), "died at call {number}");
                    match back {
                        Ok(too_late) => {
                            assert_eq!(too_late.outcome, Outcome::Refused, "died at call {number}");
                            let cause = too_late.cause.expect("a cause").message;
                            assert!(cause.contains("is removed"), "{cause}");
                        }
                        Err(error) => assert_eq!(error.kind(), crate::ErrorKind::NotFound, "{number}"),
                    }
                }
                _ => {}
            }
            if ended {
                break;
            }
        }
        assert!(kept > 10, "{kept}");
    }
}

#[tokio::test]
async fn a_rollback_takes_back_whatever_was_not_decided() {
    for act in ["scale", "restart"] {
        for number in 1.. {
            let stage = with_two(Strategy::BlueGreen).await;
            let acts = async |actor: &Actor| match act {
                "scale" => actor.deployer.scale(3, &actor.control).await.map(drop),
                _ => actor.deployer.restart(&actor.control).await.map(drop),
            };
            let ended = stage.die(stage.actor(FaultPlan::default()), number, acts).await.is_some();
            let open = stage.journal().await.state().open.clone();
            if open.is_some_and(|open| !open.promoted) {
                let actor = stage.actor(FaultPlan::default());
                let back = actor.deployer.roll_back(None, &actor.control).await.expect("an end");
                assert_eq!(back.outcome, Outcome::Done, "{act}, died at call {number}");
                let set = &stage.world.truth().sets[&release(2).id];
                assert_eq!(set.tasks.len(), 1, "{act}, died at call {number}");
            }
            if ended {
                break;
            }
        }
    }
}
