//! What a platform must offer that rolls releases out by itself: it is asked, rather than driven.
//!
//! The platform places the new tasks, moves requests to them and stops the old ones. What is left to us is to start
//! it, to watch it, to answer where it asks, and to tell truthfully how it ended.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::fence::Fence;
use crate::orchestrator::Revision;
use crate::release::{Release, ReleaseId};
use crate::traffic::Percent;
use crate::workload::seconds;

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

    /// Has the platform take a rollout back that is under way, at a gate or between two. One that is on its way back
    /// or over is a success: [`state`](Self::state) says which.
    async fn abort(&self, fence: &Fence, rollout: &RolloutId) -> Result<()>;

    /// Where a release answers that is rolled out and gets no ordinary requests yet, if there is such a place.
    async fn preview(&self) -> Result<Option<SocketAddr>>;

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

/// How a platform that rolls out by itself gets requests to the new tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Way {
    /// Tasks are replaced a few at a time.
    #[default]
    Rolling,
    /// All requests move at once to tasks that stand complete beside the old ones.
    BlueGreen,
    /// A part of the requests moves first, the rest after a time.
    Canary {
        /// The part.
        percent: Percent,
        /// For how long.
        #[serde(with = "seconds")]
        bake: Duration,
    },
    /// Requests move in equal steps.
    Linear {
        /// By how much each step rises.
        percent: Percent,
        /// From one step to the next.
        #[serde(with = "seconds")]
        bake: Duration,
    },
}

/// The place in a rollout at which a gate stands. ECS documentation, "Lifecycle hooks".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The new tasks answer on the test listener, and nowhere else.
    PostTestTrafficShift,
    /// Ordinary requests are about to move; where they move in steps, before each.
    PreProductionTrafficShift,
    /// All ordinary requests go to the new tasks, and the old ones still run.
    PostProductionTrafficShift,
}

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
    /// Whether it is under way in another way than [rolling](Way::Rolling): another can start once it is over or taken
    /// back, and not before.
    #[serde(default)]
    pub gated: bool,
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
    /// How requests get to the new tasks.
    pub way: Way,
    /// Where it waits for an answer.
    pub gates: Vec<Stage>,
    /// How long it waits at each, before the platform takes it back by itself.
    pub gate_timeout: Duration,
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
        /// Where it stands; none: where we want no gate.
        stage: Option<Stage>,
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
    /// The part of ordinary requests that its tasks get, where some is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<Percent>,
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
        if let Some(percent) = self.production {
            write!(f, ", {percent} of requests")?;
        }
        self.note.as_ref().map_or(Ok(()), |note| write!(f, "; {note}"))
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rolling => f.write_str("rolling"),
            Self::BlueGreen => f.write_str("blue-green"),
            Self::Canary { percent, bake } => write!(f, "canary {percent} for {bake:?}"),
            Self::Linear { percent, bake } => write!(f, "linear by {percent} every {bake:?}"),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PostTestTrafficShift => "after the shift of test traffic",
            Self::PreProductionTrafficShift => "before a shift of production traffic",
            Self::PostProductionTrafficShift => "after the shift of production traffic",
        })
    }
}
