//! The journal: lock, history and recovery in one append-only log per service.

mod record;
mod state;

pub use record::{
    AbortKind, Act, Cause, DeploymentId, Entry, Event, Opened, Owner, Process, Record, VERSION,
};
pub use state::{DeploymentSummary, OpenDeployment, State};
