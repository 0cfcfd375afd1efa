//! What a service's tasks write, whatever platform they run on.

use std::pin::Pin;

use futures_util::Stream;
use jiff::Timestamp;

use crate::Result;
use crate::orchestrator::TaskId;
use crate::release::ReleaseId;

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Of this release only.
    pub release: Option<ReleaseId>,
    /// Of this task only.
    pub task: Option<TaskId>,
    /// Of this container of the workload only.
    pub container: Option<String>,
    /// Written at this time or later only.
    pub since: Option<Timestamp>,
    /// The last lines of each container only.
    pub tail: Option<u32>,
    /// Whether to go on with what is written from now on, by containers started later too.
    pub follow: bool,
}

/// One line that a container wrote, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub time: Option<Timestamp>,
    /// The container's release; none where the task is not of our making.
    pub release: Option<ReleaseId>,
    /// The container's task.
    pub task: TaskId,
    /// The container's name in the workload.
    pub container: String,
    /// Where it wrote it, where the platform keeps the two apart.
    pub stream: Option<LogStream>,
    /// The line.
    pub text: String,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What reading a service's log brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEntry {
    /// A line.
    Line(LogLine),
    /// What is not read, why, and where it is: a sentence for a person.
    Unread(String),
}

/// A service's log as it is read.
pub type LogEntries = Pin<Box<dyn Stream<Item = Result<LogEntry>> + Send>>;
