//! What a deployment tells while it goes on, for renderers and logs.
//!
//! The first event of a deployment carries its plan; [`Progress::Finished`] is the last, and none follows.
//! Readers must tolerate kinds that they do not know.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::journal::{Act, Cause, DeploymentId};
use crate::orchestrator::TaskFailure;
use crate::outcome::Outcome;
use crate::plan::{Plan, Step};
use crate::release::{Digest, ReleaseId};
use crate::workload::seconds;

/// Receives events. It must return at once and cannot fail: a renderer that is slow or dead must never touch
/// a deployment, so an implementation that does more than a little puts them on a queue.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Takes one event.
    fn observe(&self, event: Envelope);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: Envelope) {}
}

/// An event with its number and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The version of the format.
    pub v: u32,
    /// Its number within the command, from 1.
    pub seq: u64,
    /// When it happened (RFC 3339).
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub progress: Progress,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Progress {
    /// A deployment begins, with its plan.
    Started {
        /// Its name.
        deployment: DeploymentId,
        /// What was asked for.
        act: Act,
        /// Its release, if it has one.
        release: Option<ReleaseId>,
        /// What served before.
        from: Option<ReleaseId>,
        /// The plan.
        plan: Plan,
    },
    /// Somebody else holds the service, and the command waits for its turn. Told again whenever that changes.
    Waiting {
        /// Who, since when, and at which step.
        message: String,
    },
    /// The pause that was asked for is recorded: the deployment stops before it changes traffic again.
    PauseAsked {
        /// Its name.
        deployment: DeploymentId,
    },
    /// A deployment whose owner is gone is finished or taken back first.
    Recovering {
        /// Its name.
        deployment: DeploymentId,
        /// What was seen of its owner.
        because: String,
    },
    /// A new plan is in force.
    Replanned {
        /// The plan.
        plan: Plan,
        /// What made it necessary.
        because: Option<Cause>,
    },
    /// A step begins.
    StepStarted {
        /// Its place in the plan, from 0.
        index: u32,
        /// The step.
        step: Step,
    },
    /// How far a step is.
    StepProgress {
        /// Its place in the plan, from 0.
        index: u32,
        /// In words, such as `1/2 healthy`.
        message: String,
    },
    /// A step has done what it should.
    StepCompleted {
        /// Its place in the plan, from 0.
        index: u32,
        /// The step.
        step: Step,
        /// What was seen.
        evidence: Option<String>,
        /// How long it took, in seconds.
        #[serde(with = "seconds", rename = "seconds")]
        took: Duration,
    },
    /// A step has failed.
    StepFailed {
        /// Its place in the plan, from 0.
        index: u32,
        /// The step.
        step: Step,
        /// Why.
        cause: Cause,
    },
    /// A task failed.
    TaskFailed {
        /// Its release.
        release: ReleaseId,
        /// Why.
        failure: TaskFailure,
    },
    /// Something that a person should know and that stops nothing.
    Warning {
        /// What.
        message: String,
    },
    /// The command has ended. None follows.
    Finished(Box<Finished>),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// How.
    pub outcome: Outcome,
    /// The process exit code.
    pub exit_code: u8,
    /// The deployment, where one was opened.
    pub deployment: Option<DeploymentId>,
    /// The release that it was about.
    pub release: Option<ReleaseId>,
    /// Whether the release was decided to be bad: it is not deployed again unasked.
    #[serde(default)]
    pub condemned: bool,
    /// What serves now, read back from the platform.
    pub serving: Vec<Serving>,
    /// What checks found.
    pub findings: Vec<Finding>,
    /// Why it did not end well.
    pub cause: Option<Cause>,
}

/// A release that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// The release.
    pub release: ReleaseId,
    /// The digest that each container runs, read back from the platform.
    pub images: BTreeMap<String, Digest>,
    /// Its part of the requests, in percent.
    pub weight: u32,
    /// How many tasks take requests.
    pub tasks: u32,
}

impl Finished {
    /// A command that ended in this way, with nothing else to say yet.
    pub fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            exit_code: outcome.exit_code(),
            deployment: None,
            release: None,
            condemned: false,
            serving: Vec::new(),
            findings: Vec::new(),
            cause: None,
        }
    }
}
