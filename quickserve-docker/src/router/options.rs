//! What a service asks of the router beside where it listens.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a service asks of the router beside where it listens. The default asks for nothing special.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Options {
    /// The certificate with which the public address speaks TLS; without one it speaks plain HTTP. The preview
    /// address, which is this machine's own, always does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// What one client may take, and how long it is waited for.
    pub limits: Limits,
    /// For how long a request waits while no release serves, as during a `recreate`, before it is answered with
    /// 503. Zero: not at all.
    pub hold: Duration,
    /// The port of this machine that shows what was counted for it, at `/metrics`. Several services may name the
    /// same one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_port: Option<u16>,
    /// Whether each request is written to the router's access log.
    pub access_log: bool,
    /// How its tasks are asked whether they are well. Without it they are known by their answers alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// Whether a client stays with the release that answered it first, while several serve: a cookie names it.
    pub sticky: bool,
}

/// What clients and tasks of a service may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Limits {
    /// How many connections of clients are open at a time. Those beyond it are answered with 503 at once.
    pub connections: usize,
    /// How long the head of a request may be, in bytes.
    pub head_bytes: usize,
    /// How long a connection may be idle, and reading a request's head may take.
    pub idle_timeout: Duration,
    /// How long a request's body may make no progress. Streams of HTTP/2 to tasks have no such limit.
    pub upload_pause: Duration,
    /// How long a client may take nothing of what it is sent. Of effect on Linux.
    pub download_pause: Duration,
    /// How long a task may take until it begins to answer, once it has the whole request. gRPC calls, which bring
    /// a deadline of their own, have no such limit. Zero: none at all.
    pub answer_timeout: Duration,
    /// How many requests that a task took and did not answer may be sent again: so many percent of those of the
    /// last 10 s, of which at least 150 are assumed.
    pub retry_budget: u32,
    /// After how many failed answers in a row other tasks of the release are preferred to a task. Zero: never.
    pub eject_after: u32,
}

/// How tasks are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Check {
    /// The path to `GET`; without one, opening a connection is all.
    pub path: Option<String>,
    /// How long after one answer they are asked again.
    pub interval: Duration,
    /// For one answer.
    pub timeout: Duration,
    /// Good answers in a row that make a task well again.
    pub healthy_threshold: u32,
    /// Bad answers in a row after which other tasks of the release are preferred to it.
    pub unhealthy_threshold: u32,
}

impl Check {
    /// A connection that is opened each interval, with the thresholds of a health gate: 2 good or 3 bad ones in
    /// a row, 2 s each.
    pub fn new(interval: Duration) -> Self {
        let timeout = Duration::from_secs(2);
        Self { path: None, interval, timeout, healthy_threshold: 2, unhealthy_threshold: 3 }
    }
}

impl Default for Limits {
    /// 10,000 connections, heads of 64 KiB, and 60 s each, as most load balancers have it. Connections are kept
    /// for longer than that, as those of most servers are: an idle one that is closed while its client writes
    /// costs a request.
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_bytes: 64 * 1024,
            idle_timeout: Duration::from_secs(75),
            upload_pause: Duration::from_mins(1),
            download_pause: Duration::from_mins(1),
            answer_timeout: Duration::from_mins(1),
            retry_budget: 20,
            eject_after: 5,
        }
    }
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Tls {
    /// The router makes one for `localhost`, in its folder. Clients have to be told to trust it.
    Local,
    /// From two files in PEM, which are read again when they change.
    Files {
        /// The certificate, and those that vouch for it after it.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}
