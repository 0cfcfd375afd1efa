//! How a command can end: one published list of outcomes and exit codes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ErrorKind;

/// How a command ended. The list is a contract with scripts: names and codes do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The goal is reached.
    Done,
    /// The goal was reached before anything was done.
    Unchanged,
    /// A background owner carries it on.
    Detached,
    /// Our own fault.
    InternalError,
    /// Usage or configuration.
    UsageError,
    /// A check, gate or approval refused before anything changed on the platform.
    Refused,
    /// It failed and was taken back; a first deployment was cleaned up.
    RolledBack,
    /// Taking back did not complete; a person must act.
    Stuck,
    /// It waits for `promote` or `abort`.
    Paused,
    /// Another deployment holds the service.
    Busy,
    /// Another owner took over.
    Superseded,
    /// We gave up waiting; the deployment goes on.
    TimedOut,
    /// It failed where failures are not taken back on purpose.
    Frozen,
    /// SIGINT: an abort was recorded, then it converged.
    Interrupted,
    /// SIGTERM: an abort was recorded, then it converged.
    Terminated,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::Unchanged,
        Self::Detached,
        Self::InternalError,
        Self::UsageError,
        Self::Refused,
        Self::RolledBack,
        Self::Stuck,
        Self::Paused,
        Self::Busy,
        Self::Superseded,
        Self::TimedOut,
        Self::Frozen,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// How a command has ended that an error of this kind kept from beginning anything.
    pub fn before_anything(error: ErrorKind) -> Self {
        match error {
            ErrorKind::Invalid | ErrorKind::NotFound => Self::UsageError,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::Fenced => Self::Superseded,
            ErrorKind::Conflict
            | ErrorKind::Unavailable
            | ErrorKind::PermissionDenied
            | ErrorKind::TimedOut
            | ErrorKind::Unsupported => Self::Refused,
            _ => Self::InternalError,
        }
    }

    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done | Self::Unchanged | Self::Detached => 0,
            Self::InternalError => 1,
            Self::UsageError => 2,
            Self::Refused => 3,
            Self::RolledBack => 4,
            Self::Stuck => 5,
            Self::Paused => 6,
            Self::Busy | Self::Superseded => 7,
            Self::TimedOut => 8,
            Self::Frozen => 9,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Its name in machine output. SIGINT and SIGTERM share one; their codes differ.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Detached => "detached",
            Self::InternalError => "internal_error",
            Self::UsageError => "usage_error",
            Self::Refused => "refused",
            Self::RolledBack => "rolled_back",
            Self::Stuck => "stuck",
            Self::Paused => "paused",
            Self::Busy => "busy",
            Self::Superseded => "superseded",
            Self::TimedOut => "timed_out",
            Self::Frozen => "frozen",
            Self::Interrupted | Self::Terminated => "interrupted",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
