//! The fence: what every mutating call carries, so that an owner that was taken over can do no harm.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The term of one owner: the sequence number of the journal record that made it the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Carried by every call that changes a platform.
///
/// An append to the journal is a compare-and-set, but that alone does not stop an owner which was suspended
/// between writing its intent and acting on it: it wakes and acts. A platform that can refuse, refuses a
/// call whose epoch is lower than the highest it has seen; one that cannot, sends a call only while
/// `not_after` has not passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The owner's term.
    pub epoch: Epoch,
    /// The journal record that announced the intent: a repeated call carries the same number.
    pub op: u64,
    /// When the owner's confirmed lease ends.
    pub not_after: Timestamp,
}
