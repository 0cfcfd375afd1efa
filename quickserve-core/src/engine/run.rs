//! One run: what an owner holds while it works on a deployment, and how each of its acts is recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::control::{Control, Holding, InHand};
use super::events::Events;
use super::parts::Parts;
use super::policy::Policy;
use super::vitals::Vitals;
use super::wait::Pace;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Progress;
use crate::fence::Fence;
use crate::journal::{AbortKind, Cause, Event, Journal, Opened};
use crate::orchestrator::{Drive, Observed, Orchestrator, SetSpec, Standing, TaskId, TaskSets, TaskState};
use crate::plan::{Purpose, Step};
use crate::release::{Release, ReleaseId};
use crate::rollout::{ManagedRollout, Rollout, RolloutId};
use crate::traffic::TrafficRouter;
use crate::workload::Workload;

/// Why a run does not go on as planned.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A step failed.
    Failed {
        /// Why.
        cause: Cause,
        /// Whether it is the release's fault.
        condemns: bool,
    },
    /// Something is there that no step of the plan knew of: a former owner left it. To be planned anew.
    Leftover(String),
    /// Somebody wants it taken back; the journal says so already.
    Aborted(AbortKind),
    /// Somebody else has changed the service on its platform, past the journal: nothing of ours is wanted there.
    Superseded(Cause),
    /// Somebody wanted it paused, and the journal says that it is: it is nobody's now.
    Parked,
    /// We do not hold the service any more, or cannot tell: nothing may be touched.
    Lost(Error),
}

/// What the platform has done of a deployment while nobody watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Import {
    /// It has not finished it.
    Nothing,
    /// Its release serves, and every gate was answered.
    Finished,
    /// Its release serves, and somebody else has let it through.
    Past,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Fenced => Self::Lost(error),
            _ => Self::Failed { cause: Cause::from(&error), condemns: false },
        }
    }
}

/// One owner's run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) platform: Arc<dyn Orchestrator>,
    pub(crate) drive: Drive,
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) parts: Parts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Journal,
    pub(crate) control: Control,
    pub(crate) vitals: Vitals,
    pub(crate) opened: Opened,
    pub(crate) deadline: Timestamp,
    pub(crate) listened: Timestamp,
    pub(crate) index: u32,
    /// Whether an abort is heeded; set by [`may_be_aborted`](Self::may_be_aborted).
    pub(super) abortable: bool,
    pub(crate) started: bool,
    /// Tasks that existed when the plan in hand was made.
    pub(crate) before: BTreeSet<TaskId>,
    /// Whether the platform had brought the release to serve before this run began.
    pub(crate) imported: bool,
    /// The newest rollout when the plan in hand was made, on a platform that rolls out by itself.
    pub(crate) from: Option<Rollout>,
    /// The rollout that the plan in hand has started or found.
    pub(crate) rollout: Option<RolloutId>,
    /// The journal record that announced the step in hand.
    pub(crate) op: u64,
    pub(super) step: Option<Step>,
    /// How often it has waited for a remote platform.
    pub(super) waits: u64,
    /// What was last told of the step in hand.
    pub(super) told: String,
    pub(super) events: Events,
    /// What an abort would meet while this lives.
    _holding: Holding,
}

impl Run {
    /// A run of the deployment that the journal holds open for us.
    pub(crate) fn new(
        parts: Parts,
        policy: Arc<dyn Policy>,
        journal: Journal,
        control: Control,
        events: Events,
    ) -> Result<Self> {
        let opened = match &journal.state().open {
            Some(open) => open.opened.clone(),
            None => return Err(Error::new(ErrorKind::Unexpected, "no deployment is open in the journal")),
        };
        let clock = parts.clock.clone();
        let now = clock.now();
        let holding = control.holding(InHand::Decided);
        Ok(Self {
            platform: parts.platform.clone(),
            drive: parts.platform.drive(),
            policy,
            clock,
            journal,
            control,
            vitals: Vitals::of(&parts),
            opened,
            deadline: Timestamp::MAX,
            listened: now,
            index: 0,
            abortable: false,
            started: false,
            before: BTreeSet::new(),
            imported: false,
            from: None,
            rollout: None,
            op: 0,
            step: None,
            waits: 0,
            told: String::new(),
            events,
            parts,
            _holding: holding,
        })
    }

    /// What starts and stops tasks, for a step of a platform that is driven step by step.
    pub(crate) fn sets(&self) -> Result<Arc<dyn TaskSets>, Stop> {
        match &self.drive {
            Drive::Stepwise { sets, .. } => Ok(sets.clone()),
            Drive::Managed(_) => Err(self.misplanned()),
        }
    }

    /// What sends requests to tasks, for a step of a platform that is driven step by step.
    pub(crate) fn router(&self) -> Result<Arc<dyn TrafficRouter>, Stop> {
        match &self.drive {
            Drive::Stepwise { router, .. } => Ok(router.clone()),
            Drive::Managed(_) => Err(self.misplanned()),
        }
    }

    /// What rolls out, for a step of a platform that does so by itself.
    pub(crate) fn rollouts(&self) -> Result<Arc<dyn ManagedRollout>, Stop> {
        match &self.drive {
            Drive::Managed(rollouts) => Ok(rollouts.clone()),
            Drive::Stepwise { .. } => Err(self.misplanned()),
        }
    }

    /// How often to look: as for things nearby, unless each look is a few calls to a platform far away.
    pub(crate) fn pace(&self, nearby: Pace, remote: Pace) -> Pace {
        match &self.drive {
            Drive::Stepwise { .. } => nearby,
            Drive::Managed(_) => remote,
        }
    }

    pub(crate) fn misplanned(&self) -> Stop {
        let message = format!("{} is no step of {}", self.doing(), self.platform);
        Error::new(ErrorKind::Unexpected, message).into()
    }

    /// How many tasks shall be there: as many as were planned, unless the platform is scaled by others.
    pub(crate) fn wanted(tasks: u32, observed: &Observed) -> u32 {
        observed.rollout.as_ref().map_or(tasks, |rollout| rollout.desired)
    }

    /// From here on, an abort is heeded, or not any more.
    pub(crate) fn may_be_aborted(&mut self, abortable: bool) {
        self.abortable = abortable;
        self.control.hold(if abortable { InHand::Own } else { InHand::Decided });
    }

    /// Whether the release is decided to be good.
    pub(super) fn promoted(&self) -> bool {
        self.journal.state().open.as_ref().is_some_and(|open| open.promoted)
    }

    /// Writes a step's intent; what follows carries the record's number in its fence.
    pub(crate) async fn intend(&mut self, step: &Step, dooms: Vec<TaskId>) -> Result<(), Stop> {
        let event = Event::Intended { index: self.index, step: step.clone(), dooms };
        self.op = self.record(event).await?;
        Ok(())
    }

    /// Writes the intent to destroy tasks in the middle of the step in hand.
    pub(crate) async fn intend_doom(&mut self, dooms: Vec<TaskId>) -> Result<(), Stop> {
        match self.step.clone() {
            Some(step) => self.intend(&step, dooms).await,
            None => Err(Error::new(ErrorKind::Unexpected, "doom tasks outside any step").into()),
        }
    }

    /// Appends to the journal. A failure means that we may not go on: what cannot be recorded is not done.
    pub(crate) async fn record(&mut self, event: Event) -> Result<u64, Stop> {
        self.journal.append(event).await.map_err(Stop::Lost)
    }

    /// What every mutating call carries.
    pub(crate) fn fence(&self) -> Fence {
        self.journal.fence(self.op)
    }

    /// Stops when an abort was asked for, here or from another machine.
    pub(crate) async fn heed(&mut self) -> Result<(), Stop> {
        if !self.abortable {
            return Ok(());
        }
        if let Some(how) = self.control.requested() {
            let by = self.parts.owner.who.clone();
            self.record(Event::AbortRequested { by, how }).await?;
        }
        match self.journal.state().open.as_ref().and_then(|open| open.abort.clone()) {
            Some((kind, _)) => Err(Stop::Aborted(kind)),
            None => Ok(()),
        }
    }

    /// What exists and serves, with tasks that the journal has doomed marked as such.
    pub(crate) async fn observe(&mut self) -> Result<Observed, Stop> {
        let platform = &self.platform.clone();
        let mut observed = self.insist(async |_| platform.observe().await).await?;
        let doomed = &self.journal.state().doomed;
        for task in observed.sets.values_mut().flat_map(|set| &mut set.tasks) {
            task.doomed |= doomed.contains(&task.id);
        }
        Ok(observed)
    }

    /// How a set should be.
    pub(crate) fn spec(&self, release: &ReleaseId, tasks: u32, standing: Standing) -> Result<SetSpec, Stop> {
        let doomed = self.journal.state().doomed.clone();
        Ok(SetSpec { release: Arc::new(self.release(release)?), tasks, standing, doomed })
    }

    /// A release that the journal knows.
    pub(crate) fn release(&self, id: &ReleaseId) -> Result<Release, Stop> {
        let known = self.journal.state().releases.get(id).cloned();
        known.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the journal does not know release {id:#}")).into()
        })
    }

    /// The workload of a release that the journal knows.
    pub(crate) fn workload(&self, id: &ReleaseId) -> Result<Workload, Stop> {
        self.release(id).map(|release| release.workload)
    }

    pub(crate) fn emit(&self, progress: Progress) {
        self.events.emit(progress);
    }

    /// Tells how far the step in hand is, unless that was told last.
    pub(crate) fn progress(&mut self, message: String) {
        if self.told != message {
            self.told.clone_from(&message);
            self.emit(Progress::StepProgress { index: self.index, message });
        }
    }

    /// Whether the step in hand waits for the release: what else takes too long is no fault of it.
    pub(crate) fn waits_for_release(&self) -> bool {
        match &self.step {
            Some(
                Step::Place { .. }
                | Step::SmokeStaged { .. }
                | Step::Shift { .. }
                | Step::SmokePublic { .. }
                | Step::Bake { .. }
                | Step::Verify { .. }
                | Step::RollOut { .. }
                | Step::Pass { .. },
            ) => true,
            Some(
                Step::Register { .. }
                | Step::Promote { .. }
                | Step::Drain { .. }
                | Step::Retire { .. }
                | Step::GiveUp { .. }
                | Step::Close
                | Step::Withdraw
                | Step::GoBack { .. },
            )
            | None => false,
        }
    }

    /// Whether the plan in force replaces the task by a fresh one.
    pub(crate) fn is_worn(&self, task: &TaskState) -> bool {
        match self.open_plan().map(|(plan, _)| plan.purpose) {
            Some(Purpose::Renew { since }) => task.epoch < since,
            _ => false,
        }
    }

    /// What is being done, for a message.
    pub(crate) fn doing(&self) -> String {
        self.step.as_ref().map_or_else(|| "planning".to_owned(), ToString::to_string)
    }
}
