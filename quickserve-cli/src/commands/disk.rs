//! What a service takes up on this machine's disk.

use quickserve_core::Result;
use quickserve_core::journal::Journal;
use quickserve_core::retention::{Retainer as _, Usage};
use serde::Serialize;

use crate::compose::Local;
use crate::render::{Line, words};

/// What is kept of a service.
#[derive(Debug, Serialize)]
pub(super) struct Disk {
    /// Images that releases need.
    images: Usage,
    /// Values of secrets that releases are bound to.
    secrets: Usage,
    /// Records, snapshots and leases.
    journal: Usage,
}

impl Disk {
    pub(super) async fn of(local: &Local, journal: &Journal) -> Result<Self> {
        let (images, secrets, journal) =
            tokio::try_join!(local.images.usage(), local.secrets.usage(), journal.usage())?;
        Ok(Self { images, secrets, journal })
    }

    /// For a person: nothing where there is nothing.
    pub(super) fn line(&self) -> Option<Line> {
        let part = |usage: Usage, what: &str| {
            let sum = words::bytes(usage.bytes);
            (usage.count > 0).then(|| format!("{} {sum}", words::count(usage.count, what)))
        };
        let parts = [
            part(self.images, "image"),
            part(self.secrets, "secret"),
            (self.journal.count > 0).then(|| format!("journal {}", words::bytes(self.journal.bytes))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| Line::new("disk", parts.join(", ")))
    }
}
