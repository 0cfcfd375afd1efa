//! What a deployment that succeeded lets go of.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::Registry as _;
use crate::retention::{Retainer, Retention, Usage};

fn keeping(keep_releases: u32) -> Stage {
    let mut stage = Stage::new(Strategy::BlueGreen, 1);
    stage.config.retention = Retention { keep_releases, ..Retention::default() };
    stage
}

/// Deploys a release whose image is kept, as the command does.
async fn deploy(stage: &Stage, number: u32) -> Outcome {
    let release = release(number);
    stage.registry.pin(&release.id, "app", &release.images["app"]).await.expect("a pin");
    stage.deploy(release).await
}

fn pinned(stage: &Stage) -> Vec<u32> {
    (1..10).filter(|number| !stage.registry.pinned(&release(*number).id).is_empty()).collect()
}

async fn roll_back(stage: &Stage, to: Option<u32>) -> Result<Outcome> {
    let actor = stage.actor(FaultPlan::default());
    let to = to.map(|number| release(number).id);
    actor.deployer.roll_back(to, &actor.control).await.map(|finished| finished.outcome)
}

#[tokio::test]
async fn after_seven_deployments_three_releases_are_kept_and_a_rollback_finds_each() {
    let stage = keeping(3);
    for number in 1..=7 {
        assert_eq!(deploy(&stage, number).await, Outcome::Done);
    }
    assert_eq!(pinned(&stage), [5, 6, 7]);
    assert_eq!(stage.journal().await.snapshots().await.expect("snapshots").len(), 3);

    let error = roll_back(&stage, Some(4)).await.expect_err("it is not kept");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("not kept any more"), "{error}");
    assert_eq!(stage.existing(), [release(7).id], "nothing was begun");

    for number in [6, 5] {
        assert_eq!(roll_back(&stage, None).await.expect("an end"), Outcome::Done);
        assert_eq!(stage.existing(), [release(number).id]);
        assert_eq!(pinned(&stage), [5, 6, 7]);
    }
    let error = roll_back(&stage, None).await.expect_err("what was before is not kept");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // What is deployed again may be gone back to again.
    assert_eq!(deploy(&stage, 4).await, Outcome::Done);
    assert!(stage.journal().await.state().can_return_to(&release(4).id));
    assert_eq!(stage.journal().await.records(1).await.expect("records")[0].seq, 1, "no record ever goes");
}

/// One that does not work until it is told to.
#[derive(Debug, Default)]
struct Moody {
    works: AtomicBool,
    gone: Mutex<BTreeSet<ReleaseId>>,
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moody retainer")
    }
}

#[async_trait]
impl Retainer for Moody {
    async fn let_go(&self, gone: &[Release], _: &[Release]) -> Result<()> {
        if !self.works.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "remove anything"));
        }
        let mut known = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(gone.iter().map(|release| release.id.clone()));
        Ok(())
    }

    async fn usage(&self) -> Result<Usage> {
        Ok(Usage::default())
    }
}

#[tokio::test]
async fn what_cannot_be_let_go_is_a_warning_and_goes_with_the_next_deployment() {
    let stage = keeping(1);
    let (moody, seen) = (Arc::new(Moody::default()), Arc::new(Seen::default()));
    let act = async |number: u32| {
        let mut parts = stage.parts(Arc::new(crate::fault::NoFaults), seen.clone()).0;
        parts.retainers = vec![moody.clone() as _];
        let deployer = Deployer::new(parts);
        let finished = deployer.deploy(&stage.request(release(number)), &Control::default()).await;
        assert_eq!(finished.expect("an end").outcome, Outcome::Done);
    };
    for number in 1..=3 {
        act(number).await;
    }
    let warnings = seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(warnings, ["housekeeping: remove anything"]);
    assert!(!stage.journal().await.state().can_return_to(&release(1).id));
    moody.works.store(true, Ordering::Relaxed);
    act(4).await;
    let gone = moody.gone.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(gone, [1, 2].map(|number| release(number).id).into());
}

/// The warnings of a run.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn observe(&self, event: crate::event::Envelope) {
        if let crate::event::Progress::Warning { message } = event.progress {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        }
    }
}
