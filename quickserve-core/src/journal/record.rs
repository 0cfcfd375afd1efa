//! What a journal's records say.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fence::Epoch;
use crate::orchestrator::TaskId;
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, Goal, Plan, Purpose, Step};
use crate::release::{Release, ReleaseId};

/// The version of the envelope.
pub const VERSION: u32 = 1;

/// One record: an envelope that every version understands, around an entry that it may not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    Unknown(serde_json::Map<String, Value>),
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
    /// Somebody wants the deployment taken back.
    AbortRequested {
        /// Who.
        by: String,
        /// Which of the ways to ask it was.
        how: AbortKind,
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
const KINDS: [&str; 12] = [
    "opened",
    "taken_over",
    "planned",
    "intended",
    "completed",
    "failed",
    "promoted",
    "condemned",
    "abort_requested",
    "ended",
    "removed",
    "repaired",
];

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = serde_json::Map::deserialize(deserializer)?;
        match fields.get("kind").and_then(Value::as_str) {
            Some(kind) if KINDS.contains(&kind) => {
                let event = serde_json::from_value(Value::Object(fields));
                event.map(Self::Known).map_err(serde::de::Error::custom)
            }
            Some(_) => Ok(Self::Unknown(fields)),
            None => Err(serde::de::Error::missing_field("kind")),
        }
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

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
