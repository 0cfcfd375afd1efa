//! What a diagnosis wants to know of a service's containers, whatever platform they run on.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::orchestrator::TaskId;
use crate::release::ReleaseId;

/// A container of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// The task that it is part of.
    pub task: TaskId,
    /// The release that it was made for.
    pub release: ReleaseId,
    /// Its name in the task.
    pub name: String,
    /// The platform's name for it.
    pub container: String,
    /// Whether it runs.
    pub is_running: bool,
    /// Whether somebody has suspended it: it runs, and does nothing.
    pub is_paused: bool,
    /// Whether nothing of it is left but what the platform remembers.
    pub is_gone: bool,
    /// How often the platform has started it again.
    pub restarts: u32,
    /// When it ended last, should it run again.
    pub ended: Option<Timestamp>,
    /// How it ended by itself, as far as the platform remembers: the oldest first.
    pub ends: Vec<End>,
    /// Names of the variables that have a value.
    pub variables: BTreeSet<String>,
    /// What its own health check said lately, the oldest first.
    pub checks: Vec<CheckRun>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Such as `exited 1` or `ran out of memory (limit 512 MiB)`.
    pub reason: String,
    /// When.
    pub at: Option<Timestamp>,
}

/// One run of a container's own health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// When it began.
    pub at: Option<Timestamp>,
    /// 0 is healthy.
    pub exit_code: i64,
    /// The first line that it wrote, without secret values and without what a terminal obeys.
    pub said: Option<String>,
}
