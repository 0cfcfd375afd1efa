//! What a platform must offer that rolls releases out by itself: it is asked, rather than driven.
//!
//! The platform places the new tasks, moves requests to them and stops the old ones. What is left to us is to start
//! it, to watch it, to answer where it asks, and to tell truthfully how it ended.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::fence::Fence;
use crate::orchestrator::Revision;
use crate::release::{Release, ReleaseId};

/// Rolls releases out by itself.
///
/// As with every platform, a call does one thing, is idempotent and returns at once.
#[async_trait]
pub trait ManagedRollout: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Makes the platform head for a revision, and answers with the rollout that leads there.
    ///
    /// One that leads there already, under way or successful, is the answer: nothing is started twice. What is under
    /// way to another revision is given up for it. A service that does not exist is made.
    ///
    /// `from` is the newest rollout as it was observed. Where another one is there by now that does not lead to the
    /// revision, somebody else has changed the service: nothing is done, and the answer says so.
    async fn start(&self, fence: &Fence, from: Option<&RolloutId>, spec: &RolloutSpec) -> Result<Started>;

    /// The newest rollout to this release, if there is one.
    async fn find(&self, release: &ReleaseId) -> Result<Option<RolloutId>>;

    /// Where a rollout stands.
    async fn state(&self, rollout: &RolloutId) -> Result<RolloutState>;

    /// Answers a gate at which the rollout waits.
    async fn answer(
        &self,
        fence: &Fence,
        rollout: &RolloutId,
        gate: &GateId,
        answer: Answer,
    ) -> Result<Answered>;

    /// Removes the service, and answers whether it is gone: call until it is. One that does not exist is gone.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a service that was not made by
    /// [`start`](Self::start): whoever made it owns it.
    async fn withdraw(&self, fence: &Fence) -> Result<bool>;
}

/// A platform's name for a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutId(pub String);

/// A platform's name for a gate at which a rollout waits; a new one each time that it waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateId(pub String);

/// The newest rollout of a service: what its platform heads for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Its name.
    pub id: RolloutId,
    /// What it leads to.
    pub revision: Revision,
    /// The release of that revision; none where it is not of our making.
    pub release: Option<ReleaseId>,
    /// How many tasks the platform keeps, whoever said so last.
    pub desired: u32,
    /// Whether it has ended well: its release serves, and nothing else does.
    pub succeeded: bool,
}

/// How a rollout should go.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutSpec {
    /// What shall serve; none where it is not of our making, and known by its revision only.
    pub release: Option<Arc<Release>>,
    /// Its registered revision.
    pub revision: Revision,
    /// How many tasks; none: as many as there are, whoever scales them.
    pub tasks: Option<u32>,
    /// Whether the tasks are replaced although the revision is the one that serves: another rollout than the one
    /// that it is started from.
    pub fresh: bool,
    /// How many of the desired tasks stay healthy meanwhile, in percent.
    pub minimum_healthy_percent: u32,
    /// How many tasks of all releases there may be meanwhile, in percent.
    pub maximum_percent: u32,
}

/// What came of starting a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// This one leads to the revision.
    Rollout(RolloutId),
    /// Nothing was done: the service is not as it was observed. Says what is there instead.
    Superseded(String),
}

/// Where a managed rollout stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RolloutState {
    /// The platform works on it.
    Running(RolloutProgress),
    /// It waits for an answer.
    Waiting {
        /// The gate.
        gate: GateId,
    },
    /// Its release serves, and only it.
    Succeeded,
    /// The platform took it back.
    RolledBack {
        /// Why, in the platform's words.
        reason: String,
    },
    /// It ended in neither way.
    Failed {
        /// Why, in the platform's words.
        reason: String,
    },
    /// Another rollout took its place, and not because this one failed.
    Superseded {
        /// What is there instead.
        by: String,
    },
}

/// How far a rollout is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutProgress {
    /// Tasks of its release that there shall be.
    pub desired: u32,
    /// Tasks of its release that run.
    pub running: u32,
    /// Tasks of its release that were started and do not run yet.
    pub pending: u32,
    /// Tasks of its release that have failed.
    pub failed: u32,
    /// What the platform said last, in its words.
    pub note: Option<String>,
}

/// The answer at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Go on.
    Continue,
    /// Take it back.
    RollBack,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The platform took it.
    Taken,
    /// The gate was not open any more.
    Gone,
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for RolloutProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} run", self.running, self.desired)?;
        if self.pending > 0 {
            write!(f, ", {} pending", self.pending)?;
        }
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        self.note.as_ref().map_or(Ok(()), |note| write!(f, "; {note}"))
    }
}
