//! The journal: lock, history and recovery in one append-only log per service.
//!
//! Record n is written create-only, so an append is a compare-and-set, and the log is the lock: who appends the
//! record that opens a deployment owns the service until the record that ends it, or until another takes over.

#[cfg(any(test, feature = "contract"))]
pub mod faulty;
mod lease;
mod lock;
mod log;
mod ownership;
mod parse;
mod pause;
mod record;
mod snapshot;
mod state;
mod store;
mod upkeep;

pub use lease::{Liveness, NoLiveness, OwnerStatus, OwnerWatch};
pub use lock::{Lifted, Lock};
pub use log::Journal;
pub(crate) use ownership::busy;
pub use pause::Parked;
pub use record::{
    AbortKind, Act, Cause, CommandBegan, CommandPlace, DeploymentId, Entry, Event, Opened, Owner, Process,
    Record, VERSION,
};
pub use state::{CommandSummary, DeploymentSummary, OpenDeployment, State};
pub use store::{in_memory, local, local_to_read};

#[cfg(test)]
mod tests;
