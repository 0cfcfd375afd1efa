//! The machine: its clock, its disks, its memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quickserve_core::Result;
use quickserve_core::clock::{self, Clock as _, SystemClock};
use quickserve_docker::Engine;
use serde_json::{Value, json};

use crate::render::{Line, words};
use crate::settings::Context;

/// By how much the engine's clock may differ before times in logs and leases mislead.
const SKEW: Duration = Duration::from_secs(2);
/// With less free than this, an image may not fit any more.
const LITTLE: u64 = 1_000_000_000;

/// What was seen of the machine.
pub(super) struct Machine {
    /// How far the engine's clock is from ours.
    pub(super) skew: Option<Duration>,
    pub(super) memory: Option<u64>,
    pub(super) disks: Vec<Disk>,
}

/// A disk that something of ours is on.
pub(super) struct Disk {
    /// What is on it.
    pub(super) holds: &'static str,
    pub(super) folder: PathBuf,
    pub(super) free: u64,
    pub(super) size: u64,
}

impl Disk {
    /// The disk of a folder of ours, which may yet have to be made.
    fn of_ours(holds: &'static str, folder: &Path) -> Option<Self> {
        let existing = folder.ancestors().find(|folder| folder.exists())?;
        Self::of(holds, folder, existing)
    }

    /// The disk of an engine's folder. Where it is not here, or the engine is reached over a network, it is on another
    /// machine, and a disk of this one says nothing of it.
    fn of_engine(holds: &'static str, folder: &Path, address: Option<&str>) -> Option<Self> {
        let is_here =
            address.is_none_or(|address| address.starts_with("unix://") || address.starts_with('/'));
        if is_here && folder.is_absolute() && folder.is_dir() {
            Self::of(holds, folder, folder)
        } else {
            None
        }
    }

    fn of(holds: &'static str, folder: &Path, existing: &Path) -> Option<Self> {
        let seen = rustix::fs::statvfs(existing).ok()?;
        let (free, size) = (seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize);
        Some(Self { holds, folder: folder.to_owned(), free, size })
    }

    pub(super) fn is_full(&self) -> bool {
        self.free < LITTLE
    }
}

impl Machine {
    pub(super) async fn look(context: &Context, engine: &Engine) -> Result<Self> {
        let before = SystemClock.now();
        let machine = engine.machine().await?;
        let after = SystemClock.now();
        // The engine's answer was written somewhere between the two.
        let skew = machine.time.map(|time| {
            if time < before { clock::between(time, before) } else { clock::between(after, time) }
        });
        let address = context.docker_host.as_deref().filter(|address| !address.is_empty());
        let images = Disk::of_engine("images", Path::new(&machine.folder), address);
        let state = Disk::of_ours("state", &context.state_dir);
        Ok(Self { skew, memory: machine.memory, disks: images.into_iter().chain(state).collect() })
    }

    pub(super) fn is_late(&self) -> bool {
        self.skew.is_some_and(|skew| skew > SKEW)
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let mut facts = Vec::new();
        match self.skew {
            Some(skew) if self.is_late() => facts.push(format!("clock off by {}", words::duration(skew))),
            Some(_) => facts.push("clock in step".to_owned()),
            None => {}
        }
        facts.extend(self.memory.map(|bytes| format!("memory {}", words::bytes(bytes))));
        let disks = self.disks.iter().map(|disk| {
            let (free, size) = (words::bytes(disk.free), words::bytes(disk.size));
            Line::new("", format!("{} on {}: {free} of {size} free", disk.holds, disk.folder.display()))
        });
        std::iter::once(Line::new("machine", facts.join(", "))).chain(disks).collect()
    }

    pub(super) fn json(&self) -> Value {
        let disks = self.disks.iter().map(|disk| {
            json!({ "holds": disk.holds, "folder": disk.folder, "free": disk.free, "size": disk.size })
        });
        json!({
            "clock_skew_ms": self.skew.map(|skew| u64::try_from(skew.as_millis()).unwrap_or(u64::MAX)),
            "memory": self.memory,
            "disks": disks.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_engine_elsewhere_no_disk_is_claimed() {
        let here = tempfile::TempDir::new().expect("a folder");
        let there = here.path().join("not-on-this-machine");
        assert!(Disk::of_engine("images", here.path(), None).is_some());
        assert!(Disk::of_engine("images", here.path(), Some("unix:///run/docker.sock")).is_some());
        assert!(Disk::of_engine("images", &there, None).is_none(), "the disk of its parent is another one");
        assert!(Disk::of_engine("images", here.path(), Some("tcp://build:2376")).is_none());
        assert!(Disk::of_engine("images", Path::new(""), None).is_none());
        assert!(Disk::of_ours("state", &there).is_some(), "it would be made there");
    }
}
