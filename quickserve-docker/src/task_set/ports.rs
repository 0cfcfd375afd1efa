//! Loopback ports for tasks.

use std::net::{Ipv4Addr, TcpListener};

use quickserve_core::{Error, ErrorKind, Result};

/// Free loopback ports, all different.
///
/// Docker's own choice would change at each restart of the container, so the port is chosen here and
/// published by number. It is free now, not reserved: another program may take it before the container
/// listens, and then another one is chosen.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    let listeners: std::io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let ports = listeners
        .and_then(|all| all.iter().map(|one| one.local_addr().map(|address| address.port())).collect());
    ports.map_err(|error| Error::new(ErrorKind::Unavailable, "find a free loopback port").with_source(error))
}
