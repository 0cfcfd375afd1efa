//! What the router remembers across its own death.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use quickserve_core::fence::{Epoch, Fence};
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Counters, Split, SplitVersion};
use quickserve_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::listen::{ListenSpec, Listening};

/// The version of the state file's form.
const FORM: u32 = 1;

/// All services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    v: u32,
    services: Vec<Record>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) key: ServiceKey,
    /// The highest epoch seen.
    pub(super) epoch: Epoch,
    pub(super) version: SplitVersion,
    /// Forgotten, but for epoch and version: an owner from before must not bring the service back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) removed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) listen: Option<Configured>,
    #[serde(default)]
    pub(super) split: Split,
    #[serde(default)]
    pub(super) counters: BTreeMap<ReleaseId, Counters>,
}

/// Where a service was asked to listen, and where it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Configured {
    pub(super) spec: ListenSpec,
    pub(super) bound: Listening,
}

impl Default for State {
    fn default() -> Self {
        Self { v: FORM, services: Vec::new() }
    }
}

impl State {
    /// Reads the state; no file is an empty one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there is a file and it is not a whole state: to go on without it would
    /// answer every request with an error, and forget which owners are fenced.
    pub(super) fn read(folder: &Folder) -> Result<Self> {
        let path = folder.state();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Error::new(ErrorKind::Unavailable, "read the router's state")
                    .with_context("file", path.display().to_string())
                    .with_source(error));
            }
        };
        let damaged = |message: &str| {
            Error::new(ErrorKind::Invalid, message)
                .with_context("file", path.display().to_string())
                .with_hint("restore the file, or move it away and run `quickserve resume` for each service")
        };
        let state: Self = serde_json::from_slice(&bytes)
            .map_err(|error| damaged("the router's state is damaged").with_source(error))?;
        if state.v != FORM {
            return Err(damaged("the router's state was written by another version of QuickServe")
                .with_context("form", state.v.to_string()));
        }
        for record in &state.services {
            ServiceKey::new(record.key.service(), record.key.environment())?;
        }
        Ok(state)
    }

    /// The bytes of the state file.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "put the router's state into words").with_source(error)
        })
    }

    pub(super) fn get(&self, key: &ServiceKey) -> Option<&Record> {
        self.services.iter().find(|record| &record.key == key)
    }

    /// The services that are not removed.
    pub(super) fn services(&self) -> impl Iterator<Item = &Record> {
        self.services.iter().filter(|record| !record.removed)
    }

    pub(super) fn services_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.services.iter_mut().filter(|record| !record.removed)
    }

    /// Every port that shows metrics.
    pub(super) fn metrics_ports(&self) -> BTreeSet<u16> {
        self.services().filter_map(Record::metrics_port).collect()
    }

    /// The record of a service, made or brought back when need be, with its epoch raised to the fence's.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] when a higher epoch has been seen.
    pub(super) fn enter(&mut self, key: &ServiceKey, fence: &Fence) -> Result<&mut Record> {
        let index = self.services.iter().position(|record| &record.key == key).unwrap_or_else(|| {
            self.services.push(Record {
                key: key.clone(),
                epoch: fence.epoch,
                version: SplitVersion::default(),
                removed: false,
                listen: None,
                split: Split::default(),
                counters: BTreeMap::new(),
            });
            self.services.len() - 1
        });
        let record = &mut self.services[index];
        if fence.epoch < record.epoch {
            let message =
                format!("{key} has a newer owner (epoch {}, ours is {})", record.epoch, fence.epoch);
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        record.epoch = fence.epoch;
        record.removed = false;
        Ok(record)
    }
}

impl Record {
    /// The port that shows its metrics.
    pub(super) fn metrics_port(&self) -> Option<u16> {
        self.listen.as_ref().and_then(|configured| configured.spec.options.metrics_port)
    }

    pub(super) fn split(&self) -> (Split, SplitVersion) {
        (self.split.clone(), self.version)
    }

    /// Forgets all but what keeps older owners out.
    pub(super) fn remove(&mut self) {
        self.removed = true;
        self.listen = None;
        self.split = Split::default();
        self.version.0 += 1;
        self.counters.clear();
    }
}
