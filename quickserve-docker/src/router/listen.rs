//! Where a service listens, and opening a listening socket there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use quickserve_core::traffic::Rule;
use quickserve_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};

use super::holder;
use super::options::Options;

/// How many connections the kernel holds for us until they are accepted.
const BACKLOG: u32 = 4096;

/// Where a service shall listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenSpec {
    /// The public address. Port 0 takes a free one.
    pub public: SocketAddr,
    /// The loopback port on which the previewed release answers alone; 0 takes a free one.
    pub preview: Option<u16>,
    /// Whether a request on the public address may choose a release with the header `QuickServe-Release`.
    /// Unsaid, it may only where the public address is a loopback one: elsewhere strangers could reach a
    /// release that is not public yet.
    pub preview_by_header: Option<bool>,
    /// Which requests of the public address are for it, where other services are there, too.
    #[serde(default)]
    pub rule: Rule,
    /// What else is asked for.
    #[serde(default)]
    pub options: Options,
}

impl ListenSpec {
    /// A service on this public address, with a preview port of the router's choice.
    pub fn new(public: SocketAddr) -> Self {
        let (rule, options) = (Rule::default(), Options::default());
        Self { public, preview: Some(0), preview_by_header: None, rule, options }
    }

    pub(super) fn by_header(&self) -> bool {
        self.preview_by_header.unwrap_or_else(|| self.public.ip().is_loopback())
    }
}

/// Where a service listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The public address.
    pub public: SocketAddr,
    /// The preview address.
    pub preview: Option<SocketAddr>,
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Opens a listening socket.
///
/// # Errors
/// [`ErrorKind::Conflict`] when something else listens there, with its name where that can be told.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener> {
    open(address).map_err(|error| {
        let failed = match error.kind() {
            io::ErrorKind::AddrInUse => {
                let by = holder::of(address).map_or(String::new(), |holder| format!(" by {holder}"));
                Error::new(ErrorKind::Conflict, format!("{address} is already in use{by}"))
                    .with_hint("stop what listens there, or choose another port")
            }
            io::ErrorKind::AddrNotAvailable => {
                Error::new(ErrorKind::Invalid, format!("{address} is not an address of this machine"))
            }
            io::ErrorKind::PermissionDenied => {
                Error::new(ErrorKind::PermissionDenied, format!("listening on {address} is not allowed"))
                    .with_hint("ports below 1024 need a privilege; choose a higher one")
            }
            _ => Error::new(ErrorKind::Unavailable, format!("listen on {address}")).temporary(),
        };
        failed.with_source(error)
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a router that has just ended linger in TIME_WAIT and must not keep the port from us.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
