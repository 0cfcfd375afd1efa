//! The engine's decisions, apart from its doing: pure, and replaceable so that tests can plant wrong ones.

use std::fmt;

use crate::error::Result;
use crate::journal::{AbortKind, State};
use crate::orchestrator::{Health, TaskPhase, TaskState};
use crate::outcome::Outcome;
use crate::plan::{Goal, Plan, Situation};
use crate::release::ReleaseId;

/// What the engine decides.
pub(crate) trait Policy: fmt::Debug + Send + Sync + 'static {
    /// The way to a goal.
    fn plan(&self, situation: &Situation<'_>) -> Result<Plan>;

    /// Whether a task may take requests.
    fn ready(&self, task: &TaskState) -> bool;

    /// What a failed deployment comes back to.
    fn fallback(&self, state: &State) -> Goal;

    /// What a rollback without a name goes to.
    fn rollback_target(&self, state: &State) -> Option<ReleaseId>;

    /// What the way that a deployment ended is called.
    fn outcome(&self, ending: Ending) -> Outcome;
}

/// The way that a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Refused under the lock, with nothing changed.
    Refused,
    /// Its own goal is reached.
    Reached,
    /// The goal from before is reached again after a failure.
    Restored,
    /// The goal from before is reached again because somebody asked.
    Aborted(AbortKind),
    /// It failed where failures are not taken back.
    Frozen,
    /// Somebody else has changed the service on its platform: neither goal is ours to reach any more.
    Superseded,
    /// Neither goal could be reached.
    Stuck,
}

/// The decisions that hold outside tests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standard;

impl Policy for Standard {
    fn plan(&self, situation: &Situation<'_>) -> Result<Plan> {
        crate::plan::plan(situation)
    }

    fn ready(&self, task: &TaskState) -> bool {
        !task.doomed && task.phase == TaskPhase::Running && task.health == Health::Healthy
    }

    fn fallback(&self, state: &State) -> Goal {
        state.fallback_goal()
    }

    fn rollback_target(&self, state: &State) -> Option<ReleaseId> {
        state.rollback_target().cloned()
    }

    fn outcome(&self, ending: Ending) -> Outcome {
        match ending {
            Ending::Refused => Outcome::Refused,
            Ending::Reached => Outcome::Done,
            Ending::Restored | Ending::Aborted(AbortKind::Asked) => Outcome::RolledBack,
            Ending::Aborted(AbortKind::Interrupted) => Outcome::Interrupted,
            Ending::Aborted(AbortKind::Terminated) => Outcome::Terminated,
            Ending::Frozen => Outcome::Frozen,
            Ending::Superseded => Outcome::Superseded,
            Ending::Stuck => Outcome::Stuck,
        }
    }
}
