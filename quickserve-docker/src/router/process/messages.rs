//! What the router's processes say to each other.
//!
//! The parent may be older or newer than its workers: an upgrade replaces these alone. So nothing here changes
//! its meaning; what is new gets a name of its own, and what is not understood is passed over.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Counters, Split, SplitVersion};
use serde::{Deserialize, Serialize};

use crate::router::protocol::Failure;

/// What a worker says to its parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromWorker {
    /// Its first word.
    Hello { version: String },
    /// Asks for a listening socket.
    Listen { ask: u64, address: SocketAddr },
    /// Has no more need of one.
    LetGo { ask: u64, address: SocketAddr },
    /// It has read the state and could serve.
    Ready,
    /// It takes no calls and accepts no connections any more.
    HandedOver,
    /// It serves, and needs these listening sockets and no others.
    Serving { listening: Vec<SocketAddr> },
    /// It ends because of this.
    Failed(Failure),
    /// It ends as it should.
    Over,
    /// About how many requests it works on, which its sudden death would cost.
    InFlight(u64),
    /// Somebody asks for an upgrade.
    Upgrade(Upgrade),
    /// Somebody asks the router to end.
    End,
    /// Somebody asks the parent to end and to leave its workers alone.
    Retire,
    /// What an adopted worker brings along: the lock and the control socket.
    Adopted { version: String, pid: u32, grace: Duration },
    /// And each of its listening sockets.
    Holds { address: SocketAddr },
    /// That was all.
    AllHeld,
}

/// What a parent says to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToWorker {
    /// Where it works; with the lock and the control socket.
    Welcome { dir: PathBuf, grace: Duration, supervision: Supervision },
    /// Who supervises the router from now on.
    Supervised(Supervision),
    /// The listening socket that it asked for, and its address.
    Listener { ask: u64, address: SocketAddr },
    /// It cannot be had.
    NoListener { ask: u64, failure: Failure },
    /// It is closed.
    LetGone { ask: u64 },
    /// Another worker is ready: stop taking calls and accepting.
    HandOver { linger: Duration },
    /// That worker died before it served: go on as before.
    Resume,
    /// Follow the worker at the other end of this socket.
    Follow,
    /// Lead the follower at the other end of this socket.
    Lead { pid: u32 },
    /// Serve.
    Go,
    /// The upgrade that was asked for is over: another worker serves.
    Upgraded,
    /// It failed and all is as it was.
    NotUpgraded(Failure),
    /// Let requests in flight finish, and end.
    End,
}

/// To which executable, and how long the worker of before may go on with its last connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upgrade {
    pub(crate) exe: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) linger: Duration,
}

/// Who supervises a router, and what that has seen of its workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervision {
    /// The parent process.
    pub pid: u32,
    /// The version of QuickServe that it is.
    pub version: String,
    /// How often a worker died and was replaced.
    pub deaths: u64,
    /// How the last of them ended.
    pub last_death: Option<String>,
    /// About how many requests these deaths cost.
    pub lost: u64,
}

/// What a leader says to its followers. Each is answered with a [`Report`] of the same number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToFollower {
    /// These splits hold from now on.
    Tell { ask: u64, services: Vec<Told> },
    /// How is it?
    Ask { ask: u64 },
    /// Let requests in flight finish, and end.
    End,
}

/// Which split holds for a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) service: ServiceKey,
    pub(crate) split: Split,
    pub(crate) version: SplitVersion,
    pub(crate) by_header: bool,
}

/// How a follower is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// Which question it answers; none when it is a follower's last word.
    pub(super) ask: u64,
    pub(super) version: String,
    pub(super) connections: usize,
    pub(super) loads: Vec<(ServiceKey, Load)>,
    /// How many requests were for no service of their address, here and in those that it led until they ended.
    #[serde(default)]
    pub(super) unrouted: u64,
}

/// What a process works on and has worked on for one service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) in_flight: BTreeMap<TaskId, u64>,
    /// Since it handed over.
    pub(crate) counters: BTreeMap<ReleaseId, Counters>,
}
