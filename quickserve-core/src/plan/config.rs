//! How deployments of a service go. Journalled with each deployment, so that another machine can finish it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::retention::Retention;
use crate::traffic::Percent;
use crate::workload::seconds;

/// How deployments of a service go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentConfig {
    /// In which order tasks and traffic change.
    pub strategy: Strategy,
    /// Whether requests come to the service; a worker has none.
    pub traffic: bool,
    /// How many tasks the configuration asks for. A count that the service was scaled to holds until this
    /// changes: see [`State::tasks_for`](crate::journal::State::tasks_for).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// How long a release must serve well before it is promoted.
    #[serde(with = "seconds")]
    pub bake_time: Duration,
    /// How long requests in flight may take to finish on a task that gets no new ones.
    #[serde(with = "seconds")]
    pub drain_timeout: Duration,
    /// For proving the release, from the start; a rollback gets the same time again.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// How many of the desired tasks must stay healthy in a rolling deployment, in percent. ECS default: 100.
    pub minimum_healthy_percent: u32,
    /// How many tasks of all releases may exist in a rolling deployment, in percent. ECS default: 200.
    pub maximum_percent: u32,
    /// How requests move where they move by parts.
    #[serde(default)]
    pub gradual: Gradual,
    /// What is asked of a release before and after it gets traffic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smoke: Vec<SmokeCheck>,
    /// What a failure leads to.
    pub on_failure: OnFailure,
    /// How much of the past is kept once it has succeeded.
    #[serde(default)]
    pub retention: Retention,
}

/// In which order tasks and traffic change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The old release ends before the new one starts: for services of which two must never run.
    Recreate,
    /// Tasks are replaced a few at a time.
    Rolling,
    /// The new release stands complete beside the old one and takes all traffic at one instant.
    BlueGreen,
    /// A part of the requests goes to the new release first, all of them later.
    Canary,
    /// Requests move to the new release in equal steps.
    Linear,
}

/// How requests move where they move by parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gradual {
    /// The parts that a canary gets, one after the other.
    pub canary_percent: Vec<Percent>,
    /// How long each is watched.
    #[serde(with = "seconds")]
    pub canary_bake_time: Duration,
    /// By how much a linear shift rises at each step.
    pub step_percent: Percent,
    /// How long each step is watched.
    #[serde(with = "seconds")]
    pub step_bake_time: Duration,
}

impl Default for Gradual {
    fn default() -> Self {
        Self {
            canary_percent: vec![Percent::CANARY],
            canary_bake_time: Duration::from_secs(30),
            step_percent: Percent::STEP,
            step_bake_time: Duration::from_secs(10),
        }
    }
}

/// What a failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The last good release serves again.
    Rollback,
    /// Everything stays as it is, for a person to look at.
    Freeze,
}

/// A request with the answer that it must get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeCheck {
    /// The path to `GET`.
    pub path: String,
    /// For one request.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// What the answer must be.
    pub expect: SmokeExpectation,
}

/// What the answer to a [`SmokeCheck`] must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeExpectation {
    /// Its status.
    pub status: u16,
    /// Values in its JSON body, by JSON pointer (RFC 6901).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, serde_json::Value>,
}

impl Default for DeploymentConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::BlueGreen,
            traffic: true,
            tasks: None,
            bake_time: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(30),
            timeout: Duration::from_mins(15),
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            gradual: Gradual::default(),
            smoke: Vec::new(),
            on_failure: OnFailure::Rollback,
            retention: Retention::default(),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recreate => "recreate",
            Self::Rolling => "rolling",
            Self::BlueGreen => "blue-green",
            Self::Canary => "canary",
            Self::Linear => "linear",
        })
    }
}
