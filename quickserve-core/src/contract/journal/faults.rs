//! A fault at every call of a deployment, one at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::prefix::PrefixStore;

use super::JournalStage;
use super::scene::{completed, ended, opened, owner, read};
use crate::contract::rule::{Broken, Held, ensure, same};
use crate::error::Retry;
use crate::fault::{Fault, FaultPlan, Faults};
use crate::journal::faulty::FaultyStore;
use crate::memory::MemoryClock;

const FAULTS: [Fault; 6] = [
    Fault::Fail,
    Fault::Conflict,
    Fault::LoseAnswer,
    Fault::FalseConflict,
    Fault::Repeat,
    Fault::Delay(Duration::from_secs(5)),
];

/// A journal of its own for each fault, with a former deployment: that is why the next one writes a snapshot.
struct Scene<'a> {
    stage: &'a dyn JournalStage,
    folder: String,
    clock: Arc<MemoryClock>,
}

impl<'a> Scene<'a> {
    async fn new(stage: &'a dyn JournalStage, folder: String) -> Result<Self, Broken> {
        let scene = Self { stage, folder, clock: Arc::default() };
        let mut zoe = read(scene.store(), &scene.clock, "zoe").await?;
        zoe.open(opened("zoe")).await?;
        zoe.append(ended()).await?;
        Ok(scene)
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(PrefixStore::new(self.stage.store(), self.folder.as_str()))
    }

    /// A deployment by a process whose calls are numbered and fail by this plan.
    async fn deploy(&self, plan: FaultPlan) -> Deployed {
        let faults = Arc::new(Faults::new(plan, self.clock.clone()));
        let store = Arc::new(FaultyStore::new(self.store(), faults.clone()));
        let answered = Mutex::default();
        let ended = faults.until_crash(deploy(store, &self.clock, &answered)).await;
        Deployed { ended, answered: answered.into_inner().unwrap_or_else(PoisonError::into_inner), faults }
    }
}

/// How a deployment went.
struct Deployed {
    /// Nothing where the process died.
    ended: Option<crate::Result<()>>,
    /// The numbers of its records, as far as they were answered.
    answered: Vec<u64>,
    faults: Arc<Faults>,
}

/// Does what is temporary once more.
macro_rules! persist {
    ($call:expr) => {
        match $call {
            Err(error) if error.retry() != Retry::Permanent => $call,
            answer => answer,
        }
    };
}

/// Opens, makes three steps, renews, ends. Tells `done` what was answered.
async fn deploy(
    store: Arc<dyn ObjectStore>,
    clock: &Arc<MemoryClock>,
    done: &Mutex<Vec<u64>>,
) -> crate::Result<()> {
    let mut ada = persist!(read(Arc::clone(&store), clock, "ada").await)?;
    let answered = |number| done.lock().unwrap_or_else(PoisonError::into_inner).push(number);
    answered(persist!(ada.open(opened("ada")).await)?.0);
    for step in 0..3 {
        answered(persist!(ada.append(completed(step)).await)?);
        clock.advance(Duration::from_secs(11));
        persist!(ada.renew().await)?;
    }
    answered(persist!(ada.append(ended()).await)?);
    Ok(())
}

/// How many calls a deployment makes.
async fn calls(stage: &dyn JournalStage) -> Result<u64, Broken> {
    let deployed = Scene::new(stage, "none".to_owned()).await?.deploy(FaultPlan::default()).await;
    deployed.ended.transpose()?;
    Ok(deployed.faults.calls().len() as u64)
}

pub(super) async fn no_single_fault_loses_or_doubles_a_record(stage: &dyn JournalStage) -> Held {
    let count = calls(stage).await?;
    ensure(count > 15, || format!("a deployment makes {count} calls only"))?;
    for number in 1..=count {
        for (index, fault) in FAULTS.into_iter().enumerate() {
            let scene = Scene::new(stage, format!("{number}-{index}")).await?;
            let deployed = scene.deploy(FaultPlan::default().at(number, fault)).await;
            let what = format!("{fault:?} at call {number}");
            if let Some(Err(error)) = deployed.ended {
                return Err(Broken(format!("{what} ends the deployment: {}", error.causes().join(": "))));
            }
            same(&format!("what was answered after {what}"), &deployed.answered, &vec![3, 4, 5, 6, 7])?;
            let records = read(scene.store(), &scene.clock, "reader").await?.records(3).await?;
            same(&format!("the number of records after {what}"), &records.len(), &5)?;
        }
    }
    Ok(())
}

pub(super) async fn after_a_death_at_any_call_the_next_owner_finds_all_that_was_answered(
    stage: &dyn JournalStage,
) -> Held {
    for number in 1..=calls(stage).await? {
        for fault in [Fault::Crash, Fault::CrashAfter] {
            let scene = Scene::new(stage, format!("{number}-{fault:?}")).await?;
            let deployed = scene.deploy(FaultPlan::default().at(number, fault)).await;
            ensure(deployed.ended.is_none(), || format!("it does not die at call {number}"))?;
            let mut bob = read(scene.store(), &scene.clock, "bob").await?;
            let answered = deployed.answered.last().copied().unwrap_or(2);
            ensure((answered..=answered + 1).contains(&bob.state().last), || {
                format!(
                    "after {fault:?} at {number} record {answered} is answered, {} read",
                    bob.state().last
                )
            })?;
            if bob.state().open.is_some() {
                bob.take_over(owner("bob"), "it died".to_owned()).await?;
            } else {
                bob.open(opened("bob")).await?;
            }
            bob.append(ended()).await?;
            let reader = read(scene.store(), &scene.clock, "reader").await?;
            ensure(reader.state() == bob.state(), || {
                format!("after {fault:?} at {number} two read otherwise")
            })?;
        }
    }
    Ok(())
}
