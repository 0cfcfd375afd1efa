//! Waiting for one's turn while something else goes wrong.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::left::left_baking;
use super::steering::{Heard, WAIT};
use super::too_late::{baking, with_one};
use super::*;
use crate::engine::InHand;
use crate::event::{Envelope, Progress};

/// A journal that cannot be read so many times, once somebody was told to wait.
#[derive(Debug)]
struct Unreadable {
    heard: Arc<Heard>,
    times: u64,
    missed: AtomicU64,
}

#[async_trait::async_trait]
impl Interceptor for Unreadable {
    fn number(&self) -> u64 {
        0
    }

    async fn before(&self, call: &Call) -> Verdict {
        let reads = call.target == "journal" && !call.mutating && !self.heard.waits().is_empty();
        if reads && self.missed.fetch_add(1, Relaxed) < self.times { Verdict::Fail } else { Verdict::Proceed }
    }

    async fn after(&self, _: &Call) -> Verdict {
        Verdict::Proceed
    }
}

/// A patient deployer that cannot read the journal so many times while it waits.
fn patient(stage: &Stage, times: u64) -> (Deployer, Arc<Unreadable>) {
    let heard = Arc::<Heard>::default();
    let unreadable = Arc::new(Unreadable { heard: heard.clone(), times, missed: AtomicU64::default() });
    (stage.deployer_heard(unreadable.clone(), heard).0.with_patience(WAIT), unreadable)
}

#[tokio::test]
async fn a_wait_for_an_owner_goes_on_when_its_lease_cannot_be_read_for_a_moment() {
    let stage = with_one(Duration::from_secs(30)).await;
    let (deployer, unreadable) = patient(&stage, 20);
    let request = stage.request(release(3));
    let other = async || deployer.deploy(&request, &Control::default()).await;
    let (ended, waited) = baking(&stage, other).await;
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!(waited.expect("an end").outcome, Outcome::Done);
    assert!(unreadable.missed.load(Relaxed) > 20);
    assert_eq!(stage.existing(), [release(3).id]);
}

#[tokio::test]
async fn whichever_look_at_a_lease_fails_for_a_moment_it_ends_no_wait() {
    // From before the first look to after several.
    for number in 1..60 {
        let stage = left_baking().await;
        // Its owner lives, as far as its process shows, until its lease is too old.
        stage.dead.pids.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let actor = stage.actor(FaultPlan::default().on("journal", "get", number, Fault::Fail));
        let deployer = actor.deployer.with_patience(WAIT);
        match deployer.deploy(&stage.request(release(4)), &actor.control).await {
            Ok(finished) => assert_eq!(finished.outcome, Outcome::Done, "{number}"),
            Err(error) => assert!(!error.to_string().contains("/leases/"), "{number}: {error}"),
        }
        assert_eq!(actor.faults.injected().len(), 1, "{number}");
    }
}

#[tokio::test]
async fn a_wait_for_a_lock_goes_on_when_the_journal_cannot_be_read_for_a_moment() {
    let stage = with_two(Strategy::BlueGreen).await;
    stage.journal().await.lock("ada@laptop", "why").await.expect("a lock");
    let (deployer, unreadable) = patient(&stage, 20);
    let (request, control) = (stage.request(release(3)), Control::default());
    let unlock = async {
        while unreadable.missed.load(Relaxed) <= 20 {
            tokio::task::yield_now().await;
        }
        stage.journal().await.unlock("ada@laptop").await.expect("no lock");
        std::future::pending::<()>().await;
    };
    let waited = tokio::select! {
        waited = deployer.deploy(&request, &control) => waited,
        () = unlock => unreachable!("it ends with the wait"),
    };
    assert_eq!(waited.expect("an end").outcome, Outcome::Done);
}

#[tokio::test]
async fn a_wait_in_which_nothing_can_be_read_any_more_ends_with_its_time_or_an_interrupt() {
    for (interrupted, locked) in [(false, false), (false, true), (true, false), (true, true)] {
        let stage = left_baking().await;
        // Its owner lives, as far as its process shows.
        stage.dead.pids.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if locked {
            stage.journal().await.lock("ada@laptop", "why").await.expect("a lock");
        }
        let (deployer, unreadable) = patient(&stage, u64::MAX);
        let (request, control) = (stage.request(release(4)), Control::default());
        let interrupt = async {
            while interrupted && unreadable.missed.load(Relaxed) < 20 {
                tokio::task::yield_now().await;
            }
            if interrupted {
                control.abort(AbortKind::Interrupted);
            }
        };
        let began = stage.clock.now();
        let (waited, ()) = tokio::join!(deployer.deploy(&request, &control), interrupt);
        if interrupted {
            assert_eq!(waited.expect("an end").outcome, Outcome::Interrupted, "locked: {locked}");
        } else {
            assert!(waited.expect_err("nothing is known").is_temporary(), "locked: {locked}");
            assert!(between(began, stage.clock.now()) >= WAIT, "locked: {locked}");
        }
    }
}

/// Notes, whenever somebody waits after it took something over, what an interrupt would meet.
#[derive(Debug, Default)]
struct Meets {
    control: Control,
    recovers: AtomicU64,
    met: Mutex<Vec<InHand>>,
}

impl Observer for Meets {
    fn observe(&self, event: Envelope) {
        match event.progress {
            Progress::Recovering { .. } => {
                self.recovers.fetch_add(1, Relaxed);
            }
            Progress::Waiting { .. } if self.recovers.load(Relaxed) > 0 => {
                self.met.lock().unwrap_or_else(PoisonError::into_inner).push(self.control.in_hand());
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn whoever_waits_after_another_deployment_was_brought_to_its_end_has_nothing_in_hand() {
    let stage = left_baking().await;
    let meets = Arc::<Meets>::default();
    let (deployer, _) = stage.deployer_heard(Arc::new(crate::fault::NoFaults), meets.clone());
    let deployer = deployer.with_patience(WAIT);
    let request = stage.request(release(4));
    let met = || meets.met.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lock = async {
        while meets.recovers.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        stage.journal().await.lock("ada@laptop", "why").await.expect("a lock");
        while met().is_empty() {
            tokio::task::yield_now().await;
        }
        stage.journal().await.unlock("ada@laptop").await.expect("no lock");
    };
    let (finished, ()) = tokio::join!(deployer.deploy(&request, &meets.control), lock);
    assert_eq!(finished.expect("an end").outcome, Outcome::Done);
    assert_eq!(met(), [InHand::Nothing]);
    assert_eq!(meets.control.in_hand(), InHand::Nothing, "it has ended");
}
