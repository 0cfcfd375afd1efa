//! What a journal takes up, and its old snapshots removed. Records are never removed.

use super::log::Journal;
use super::store::Folder;
use crate::error::Result;
use crate::retention::Usage;

impl Journal {
    /// What all that is stored amounts to: records, snapshots, leases.
    pub async fn usage(&self) -> Result<Usage> {
        self.shelf.usage().await
    }

    /// The numbers of the snapshots, in order.
    pub(crate) async fn snapshots(&self) -> Result<Vec<u64>> {
        self.shelf.numbers(Folder::Snapshots, 0).await
    }

    /// Removes a snapshot. Whoever reads it at this moment passes over it.
    pub(crate) async fn remove_snapshot(&self, number: u64) -> Result<()> {
        self.shelf.remove_snapshot(number).await
    }
}
