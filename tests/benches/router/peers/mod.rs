//! The proxies, each as its own documentation has a reverse proxy that keeps connections to its upstream, with one
//! worker, no access log, and the fields that ours adds too.

mod caddy;
mod haproxy;
mod nginx;
mod quickserve;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::Result;
use crate::machine::{Machine, Server};

pub(crate) use quickserve::Quickserve;

/// The one that the others are measured by.
pub(crate) const FLOOR: &str = "nginx";
pub(crate) const OURS: &str = "quickserve";

/// How many idle connections to the upstream each may keep.
const IDLE: usize = 512;

/// A proxy that runs.
pub(crate) trait Peer: Debug {
    fn name(&self) -> &'static str;
    fn address(&self) -> SocketAddr;
    fn server(&self) -> &Server;

    /// Sends new requests to another upstream from now on: what a deployment does.
    fn switch(&mut self, upstream: SocketAddr) -> Result<()>;
}

/// Starts all of them in front of an upstream.
pub(crate) fn start(
    machine: &Machine,
    quickserve: &Path,
    upstream: SocketAddr,
) -> Result<Vec<Box<dyn Peer>>> {
    Ok(vec![
        Box::new(nginx::Nginx::start(machine, upstream)?),
        Box::new(haproxy::Haproxy::start(machine, upstream)?),
        Box::new(caddy::Caddy::start(machine, upstream)?),
        Box::new(Quickserve::start(machine, quickserve, upstream)?),
    ])
}

fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("quickserve-bench-").tempdir()?)
}
