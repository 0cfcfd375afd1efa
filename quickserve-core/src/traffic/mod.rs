//! Where requests go: the split between releases, and the router that holds to it.

mod percent;
mod rule;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::AddAssign;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::fence::Fence;
use crate::latency::Latency;
use crate::orchestrator::TaskId;
use crate::release::ReleaseId;
use crate::workload::Protocol;

pub use percent::Percent;
pub use rule::{Closeness, Host, Prefix, Rule};

/// The header with which a request asks for one release, by its name: a router that takes it from the caller gives the
/// request to no other release.
pub const RELEASE_HEADER: &str = "quickserve-release";

/// Sends a service's requests to the tasks of its releases.
///
/// It keeps the highest epoch that it has seen and refuses lower ones with
/// [`ErrorKind::Fenced`](crate::ErrorKind::Fenced).
#[async_trait]
pub trait TrafficRouter: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Where requests go now. A service that it does not know has an empty split.
    async fn split(&self) -> Result<(Split, SplitVersion)>;

    /// Raises the epoch to the fence's, so that older owners are refused from now on, and changes nothing
    /// else. A new owner's first act.
    async fn raise(&self, fence: &Fence) -> Result<()>;

    /// Replaces the split at one instant for all requests, and makes it durable before answering.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when the version is not `expect`. Setting the split
    /// that is already set is a success, whatever the version: it was our own call whose answer was lost.
    async fn set(&self, fence: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion>;

    /// Whether the service is reached with this split as it was asked for: its port, which requests of it, and what
    /// else there is to ask for. Where it is not, [`set`](Self::set) makes it so, also with the split of before.
    async fn is_as_asked(&self, split: &Split) -> Result<bool>;

    /// Why no client reaches the service, where that is so whatever the split: another process may hold its port. Of a
    /// service that it does not know, nothing.
    async fn closed(&self) -> Result<Option<String>>;

    /// Requests and connections that each task still works on; tasks without any may be left out.
    async fn in_flight(&self) -> Result<BTreeMap<TaskId, u64>>;

    /// What each release has answered since the router knows it.
    async fn counters(&self) -> Result<BTreeMap<ReleaseId, Counters>>;

    /// Forgets the service and closes its port. One that it does not know is a success.
    async fn remove(&self, fence: &Fence) -> Result<()>;
}

/// A version of a split; it changes whenever the split does. Only equality means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SplitVersion(pub u64);

/// Where requests go. Empty: nowhere, and each is answered 503.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Split {
    /// One route per release.
    pub routes: Vec<Route>,
}

/// The part of a release in a [`Split`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The release.
    pub release: ReleaseId,
    /// What part it has.
    pub role: Role,
    /// What its tasks speak.
    #[serde(default, skip_serializing_if = "Protocol::is_http1")]
    pub protocol: Protocol,
    /// The tasks that requests go to, in turn.
    pub upstreams: Vec<Upstream>,
}

/// What part a release has in a [`Split`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "weight")]
pub enum Role {
    /// It gets requests, as many as its weight is of the sum of all weights. Above 0.
    Serving(u32),
    /// It gets a request only when no serving task can be reached.
    Standby,
    /// It gets only requests that ask for it by header or by the preview port.
    Preview,
}

/// A task that requests go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// The task.
    pub task: TaskId,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What a release has answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests that were answered or failed.
    pub requests: u64,
    /// Those answered with a 5xx status by the task.
    pub server_errors: u64,
    /// Those that no task answered to the end: the router answered 502 or 504 itself, or the task broke off
    /// in the middle of its answer.
    pub unanswered: u64,
    /// Those that were sent again to another task.
    pub retried: u64,
    /// How long each of `requests` took from its first task on until it began to be answered, or failed.
    #[serde(default, skip_serializing_if = "Latency::is_empty")]
    pub latency: Latency,
}

impl Counters {
    /// What has come since they were so.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            server_errors: self.server_errors.saturating_sub(before.server_errors),
            unanswered: self.unanswered.saturating_sub(before.unanswered),
            retried: self.retried.saturating_sub(before.retried),
            latency: self.latency.since(&before.latency),
        }
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.server_errors += more.server_errors;
        self.unanswered += more.unanswered;
        self.retried += more.retried;
        self.latency += more.latency;
    }
}

impl Split {
    /// The route of a release.
    pub fn route(&self, release: &ReleaseId) -> Option<&Route> {
        self.routes.iter().find(|route| &route.release == release)
    }

    /// The releases that get ordinary requests, with their weights.
    pub fn serving(&self) -> impl Iterator<Item = (&ReleaseId, u32)> {
        self.routes.iter().filter_map(|route| match route.role {
            Role::Serving(weight) => Some((&route.release, weight)),
            Role::Standby | Role::Preview => None,
        })
    }

    /// Whether any route names the task.
    pub fn references(&self, task: &TaskId) -> bool {
        self.routes.iter().flat_map(|route| &route.upstreams).any(|upstream| &upstream.task == task)
    }
}
