//! What a platform must offer so that the engine can drive it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::fence::{Epoch, Fence};
use crate::plan::Strategy;
use crate::release::{Digest, Release, ReleaseId};
use crate::rollout::{ManagedRollout, Rollout};
use crate::traffic::{Percent, Split, SplitVersion, TrafficRouter};

/// A platform, bound to one service in one environment.
///
/// Every call does one thing, is idempotent, returns at once, and never loops or sleeps: the engine polls.
/// A mutating call carries a [`Fence`] and fails with [`ErrorKind::Fenced`](crate::ErrorKind::Fenced) when a
/// newer owner's epoch has been seen.
#[async_trait]
pub trait Orchestrator: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// How it is driven.
    fn drive(&self) -> Drive;

    /// What it can do; plans are made from it.
    fn capabilities(&self) -> Capabilities;

    /// What exists and what serves, as far as the platform can tell.
    async fn observe(&self) -> Result<Observed>;

    /// Makes the platform know a release, without running anything. An already known release is a success.
    async fn register(&self, fence: &Fence, release: &Release) -> Result<Revision>;

    /// Why tasks of a release failed, newest first, with exit code, memory and last log lines.
    ///
    /// Only tasks that have ended are listed: failures that a prober saw are not the platform's to explain.
    async fn explain(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>>;

    /// What the platform knows beside its tasks' ends that may keep a release from coming up, in words: targets that
    /// fail a load balancer's checks, its own messages since a point in time, alarms. None where it knows nothing.
    ///
    /// It is asked when something has failed, and must not hide that: what cannot be found out is said in words too.
    async fn circumstances(&self, release: &ReleaseId, since: Timestamp) -> Result<Vec<String>>;
}

/// How a platform is driven.
#[derive(Debug, Clone)]
pub enum Drive {
    /// We drive every step: task sets and a router (local Docker).
    Stepwise {
        /// Starts and stops tasks.
        sets: Arc<dyn TaskSets>,
        /// Sends requests to them.
        router: Arc<dyn TrafficRouter>,
    },
    /// The platform rolls out by itself and asks us at its gates (ECS).
    Managed(Arc<dyn ManagedRollout>),
}

/// Starts and stops the tasks of a service, on a platform that is driven step by step.
#[async_trait]
pub trait TaskSets: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Makes one step towards what `spec` says and answers with the set as it is then.
    ///
    /// It starts tasks while there are fewer than asked for that are neither doomed nor ended, starts the
    /// next containers of tasks whose dependencies allow it, and gives tasks the standing asked for. It
    /// never stops a task: that is [`doom`](TaskSets::doom).
    async fn advance(&self, fence: &Fence, spec: &SetSpec) -> Result<SetState>;

    /// Stops and removes these tasks for ever and answers with those of them that still exist.
    ///
    /// The first call asks them to end (SIGTERM), later calls look and, after the stop timeout, kill; call
    /// until the answer is empty. A doomed task is never started again; one that does not exist is a success.
    async fn doom(&self, fence: &Fence, tasks: &[TaskId]) -> Result<Vec<TaskState>>;
}

/// What a platform can do: plain facts, from which planners decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
pub struct Capabilities {
    /// Old and new tasks can run beside each other.
    pub side_by_side: bool,
    /// Requests can be split between releases by weight.
    pub weighted_traffic: bool,
    /// A staged release can be reached before it serves.
    pub preview: bool,
    /// A standing-by release can answer while the serving one has no task that answers.
    pub standby: bool,
    /// How many tasks a service may have.
    pub max_tasks: u32,
    /// It rolls releases out by itself: see [`Drive::Managed`].
    #[serde(default)]
    pub managed: bool,
    /// The ways beside rolling that such a platform has by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<Native>,
}

/// What a platform can do that moves requests by itself in other ways than rolling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Native {
    /// The strategies.
    pub strategies: Vec<Strategy>,
    /// The times that it keeps are multiples of this.
    #[serde(with = "crate::workload::seconds")]
    pub unit: Duration,
    /// The least by which a linear shift rises.
    pub least_step: Percent,
}

/// A platform's name for a registered release, such as a task definition's ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

impl Revision {
    /// Its name as people know it: an ARN's last part.
    pub fn short(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What exists and what serves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The tasks of each release that has any, doomed ones included.
    pub sets: BTreeMap<ReleaseId, SetState>,
    /// Where requests go.
    pub split: Split,
    /// The split's version, for [`TrafficRouter::set`].
    pub split_version: SplitVersion,
    /// The newest rollout, on a platform that [rolls out by itself](Drive::Managed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// The tasks of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SetState {
    /// Sorted by ordinal, then by id.
    pub tasks: Vec<TaskState>,
}

/// A task's name on its platform. Never used twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub String);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One task as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskState {
    /// Its name on the platform.
    pub id: TaskId,
    /// Its place in the set, from 0.
    pub ordinal: u32,
    /// The epoch of the owner that made it.
    pub epoch: Epoch,
    /// What it does.
    pub phase: TaskPhase,
    /// What is known of its health.
    pub health: Health,
    /// Where requests to it go, once known.
    pub address: Option<SocketAddr>,
    /// The digest that each of its containers runs, read back from the platform.
    pub images: BTreeMap<String, Digest>,
    /// What it is meant for.
    pub standing: Standing,
    /// When it started, once it has.
    pub started: Option<Timestamp>,
    /// How often the platform has restarted one of its containers.
    pub restarts: u32,
    /// Whether a destructive intent has named it: it is on its way out, for ever.
    pub doomed: bool,
    /// Whether it did not end within its stop timeout when it was asked to, and was killed.
    #[serde(default)]
    pub killed: bool,
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskPhase {
    /// Not all of its containers have started.
    Starting,
    /// All of its containers have started, and the essential ones run.
    Running,
    /// An essential container has ended, or the task was stopped.
    Ended,
}

/// What is known of a task's health.
///
/// A platform reports its containers' own health checks, [`Unknown`](Health::Unknown) while those have no
/// result; the engine adds what its prober saw. On one that [rolls out by itself](Drive::Managed) nobody probes: a
/// running task without any check there is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "why")]
pub enum Health {
    /// No result yet.
    Unknown,
    /// It passed.
    Healthy,
    /// It failed, with what was seen.
    Unhealthy(String),
}

/// What a task is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not proven yet: when the machine restarts it does not come back.
    Staged,
    /// Of a promoted release: the platform restarts it when it dies.
    Promoted,
}

/// How a set should be.
#[derive(Debug, Clone, PartialEq)]
pub struct SetSpec {
    /// What its tasks run.
    pub release: Arc<Release>,
    /// How many tasks.
    pub tasks: u32,
    /// What they are meant for.
    pub standing: Standing,
    /// Tasks that a destructive intent has named: they count for nothing, also while they still run.
    pub doomed: BTreeSet<TaskId>,
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// The task.
    pub task: TaskId,
    /// The container that ended it.
    pub container: String,
    /// In words, such as `exited 1` or `could not start: no such file`.
    pub reason: String,
    /// The container's exit code.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for want of memory.
    pub out_of_memory: bool,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its last log lines in the order of their times, without control characters.
    pub log_tail: Vec<String>,
    /// The line that says most of why it ended: the last one on stderr where it failed, else the last.
    #[serde(default)]
    pub last_words: Option<String>,
    /// Why its log is not shown, where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_unread: Option<String>,
}

impl SetState {
    /// Tasks that count: neither doomed nor ended.
    pub fn live(&self) -> impl Iterator<Item = &TaskState> {
        self.tasks.iter().filter(|task| !task.doomed && task.phase != TaskPhase::Ended)
    }

    /// Live tasks that are healthy, in order.
    pub fn healthy(&self) -> impl Iterator<Item = &TaskState> {
        self.live().filter(|task| task.phase == TaskPhase::Running && task.health == Health::Healthy)
    }
}

impl Observed {
    /// The set of a release; an empty one where it has no tasks.
    pub fn set(&self, release: &ReleaseId) -> SetState {
        self.sets.get(release).cloned().unwrap_or_default()
    }
}
