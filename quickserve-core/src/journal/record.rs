//! What a journal's records say.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fence::Epoch;
use crate::orchestrator::{Revision, TaskId};
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, Goal, Plan, Purpose, Step};
use crate::release::{Release, ReleaseId};
use crate::rollout::{GateId, RolloutId, Stage};
use crate::workload::seconds;

/// The version of the envelope.
pub const VERSION: u32 = 1;

/// One record: an envelope that every version understands, around an entry that it may not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// The version of the envelope.
    pub v: u32,
    /// Its number, from 1, without gaps; never used again.
    pub seq: u64,
    /// The owner's term in which it was written.
    pub epoch: Epoch,
    /// Unique among all records ever written: how a writer knows its own.
    pub id: String,
    /// The writer's wall time.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a record says. Kinds that this version does not know are kept as they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// A kind that this version knows.
    Known(Box<Event>),
    /// A kind of a later version.
    Unknown(Map<String, Value>),
}

/// What happened or was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Event {
    /// A deployment began. Begins an epoch.
    Opened(Box<Opened>),
    /// Another owner took an unfinished deployment over. Begins an epoch.
    TakenOver {
        /// The new owner.
        owner: Owner,
        /// The epoch that it ended.
        ended: Epoch,
        /// How it was known that the former owner is gone.
        because: String,
    },
    /// The way to a goal was planned; what was planned before is void.
    Planned {
        /// The plan.
        plan: Plan,
        /// What made a new plan necessary.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<Cause>,
        /// When the goal must be reached.
        deadline: Timestamp,
        /// What a platform that rolls out by itself headed for when it was planned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<Revision>,
    },
    /// A step is about to have effects.
    Intended {
        /// Its place in the plan, from 0.
        index: u32,
        /// The step.
        step: Step,
        /// Tasks that it destroys: they are doomed from here on, whatever follows.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        dooms: Vec<TaskId>,
    },
    /// A gate of the platform's rollout is about to be answered: what was to be shown there was.
    Answering {
        /// The rollout.
        rollout: RolloutId,
        /// The gate.
        gate: GateId,
        /// Where it stands.
        stage: Stage,
    },
    /// A step has done what it should.
    Completed {
        /// Its place in the plan, from 0.
        index: u32,
        /// What was seen, for reports.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<String>,
    },
    /// A step has failed.
    Failed {
        /// Its place in the plan, from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u32>,
        /// Why.
        cause: Cause,
    },
    /// A release was decided to be good.
    Promoted {
        /// The release.
        release: ReleaseId,
    },
    /// A release was decided to be bad: nothing goes back to it, and it is not deployed again unasked.
    Condemned {
        /// The release.
        release: ReleaseId,
        /// Why.
        cause: Cause,
    },
    /// Nothing is kept for these releases any more: nothing goes back to them until they are promoted again.
    Pruned {
        /// The releases.
        releases: Vec<ReleaseId>,
    },
    /// Somebody wants the deployment taken back.
    AbortRequested {
        /// Who.
        by: String,
        /// Which of the ways to ask it was.
        how: AbortKind,
    },
    /// Somebody wants the deployment to stop before it changes traffic again.
    PauseRequested {
        /// Who.
        by: String,
    },
    /// Somebody wants a deployment to go on that was asked to pause and has not yet.
    PromoteRequested {
        /// Who.
        by: String,
    },
    /// The deployment has stopped, and its owner has let go of it, until somebody answers.
    Parked {
        /// Who asked for it.
        by: String,
        /// The step that was not begun.
        before: Step,
        /// What was left of the time in which the goal must be reached.
        #[serde(with = "seconds")]
        left: Duration,
        /// Until when it waits.
        until: Timestamp,
    },
    /// A deployment ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// What serves now, read back from the platform.
        serving: Vec<ReleaseId>,
        /// Why it did not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// Everything of the service was removed: nothing before this is a rollback target.
    Removed {},
    /// Somebody wants nobody to deploy meanwhile.
    Locked {
        /// Who.
        by: String,
        /// Why, in their words.
        reason: String,
    },
    /// The lock is lifted.
    Unlocked {
        /// By whom.
        by: String,
    },
    /// Somebody began to run a command beside any deployment. Anybody's record, in the epoch of the time.
    CommandBegan(CommandBegan),
    /// A command has ended.
    CommandEnded {
        /// The number of the record that began it.
        began: u64,
        /// The command's exit code, where it came to one.
        exit_code: Option<i64>,
    },
    /// The record before was torn and is void.
    Repaired {
        /// The torn record's number.
        torn: u64,
    },
}

/// The beginning of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Its name.
    pub deployment: DeploymentId,
    /// What was asked for.
    pub act: Act,
    /// Who does it.
    pub owner: Owner,
    /// The oldest version of QuickServe that can finish it.
    pub needs: String,
    /// What shall be so in the end.
    pub goal: Goal,
    /// Whether the goal's release must still prove itself.
    pub purpose: Purpose,
    /// The goal's release, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// What a failure comes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<ReleaseId>,
    /// How it goes.
    pub config: DeploymentConfig,
}

/// A command that somebody runs beside any deployment.
///
/// Its arguments are not here: people type passwords there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandBegan {
    /// Where it runs.
    pub place: CommandPlace,
    /// The release.
    pub release: ReleaseId,
    /// The container of the workload that it runs in, or as.
    pub container: String,
    /// The first word of the command.
    pub program: String,
    /// Who runs it.
    pub by: String,
}

/// Where a command runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "in")]
pub enum CommandPlace {
    /// In a container of its own (`run`).
    OneOff,
    /// In a container of a task (`exec`).
    Task {
        /// The task.
        task: TaskId,
    },
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A new release.
    Deploy,
    /// Back to a good release.
    Rollback,
    /// What was promoted last, made to serve again.
    Resume,
    /// Another number of tasks of what serves.
    Scale,
    /// Fresh tasks of what serves.
    Restart,
    /// Everything removed.
    Down,
}

/// A deployment's name: `d-`, the day, and a number that counts the service's deployments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(pub String);

/// Who holds a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Unique among all owners there ever were.
    pub nonce: String,
    /// For people: who and where, such as `ada@laptop`.
    pub who: String,
    /// The process, where another process of the same host can look for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// A process that can be told apart from any other, also after a reboot or when its id is used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The boot of the host that it runs in.
    pub boot: String,
    /// Its id.
    pub pid: u32,
    /// When it started, in the host's own ticks since its boot.
    pub started: u64,
    /// The machine that it runs on, by a name that outlasts its boots, where it is known for sure which that is: not
    /// in a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

/// Why something failed: a message and what caused it, outermost first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What failed.
    pub message: String,
    /// What caused it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What a person may do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A way to ask for an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortKind {
    /// `quickserve abort`.
    Asked,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

/// The kinds of [`Event`]: an entry of one of these must be readable, any other is kept as it is.
const KINDS: [&str; 21] = [
    "opened",
    "taken_over",
    "planned",
    "intended",
    "answering",
    "completed",
    "failed",
    "promoted",
    "condemned",
    "pruned",
    "abort_requested",
    "pause_requested",
    "promote_requested",
    "parked",
    "ended",
    "removed",
    "locked",
    "unlocked",
    "command_began",
    "command_ended",
    "repaired",
];

/// What every envelope has.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    v: u32,
    pub(super) seq: u64,
    epoch: Epoch,
    id: String,
    at: Timestamp,
    pub(super) kind: String,
}

impl Record {
    /// The record of an envelope, and of all the fields that it was read from. Journals are read whole and often, so
    /// the fields are moved on and not buffered once more, as a derived implementation does.
    pub(super) fn from_fields(
        envelope: Envelope,
        mut fields: Map<String, Value>,
    ) -> serde_json::Result<Self> {
        let Envelope { v, seq, epoch, id, at, kind } = envelope;
        for name in ["v", "seq", "epoch", "id", "at"] {
            fields.remove(name);
        }
        let entry = if KINDS.contains(&kind.as_str()) {
            Entry::Known(serde_json::from_value(Value::Object(fields))?)
        } else {
            Entry::Unknown(fields)
        };
        Ok(Self { v, seq, epoch, id, at, entry })
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        let envelope = Envelope::deserialize(&fields).map_err(serde::de::Error::custom)?;
        Self::from_fields(envelope, fields).map_err(serde::de::Error::custom)
    }
}

impl Entry {
    /// The event, if this version knows its kind.
    pub fn event(&self) -> Option<&Event> {
        match self {
            Self::Known(event) => Some(event),
            Self::Unknown(_) => None,
        }
    }
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self::Known(Box::new(event))
    }
}

impl Event {
    /// Whether it begins an epoch of its own.
    pub fn begins_epoch(&self) -> bool {
        matches!(self, Self::Opened(_) | Self::TakenOver { .. })
    }
}

impl Cause {
    /// A cause with nothing behind it.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, causes: impl IntoIterator<Item = String>) -> Self {
        self.causes.extend(causes);
        self
    }
}

impl From<&crate::Error> for Cause {
    fn from(error: &crate::Error) -> Self {
        let mut causes = error.causes().into_iter();
        let message = causes.next().unwrap_or_default();
        Self { message, causes: causes.collect(), hint: error.hint().map(str::to_owned) }
    }
}

/// `ada@laptop (pid 4711)`, or without the process where that is not known.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who)?;
        self.process.as_ref().map_or(Ok(()), |process| write!(f, " (pid {})", process.pid))
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
