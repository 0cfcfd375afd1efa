//! Where a router's listening sockets come from: its parent, or the kernel where it has none.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quickserve_core::{Error, ErrorKind, Result};
use tokio::net::TcpListener;

use super::supervised::Supervised;
use crate::router::listen::bind;

/// The listening sockets of a router.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    parent: Option<Arc<Supervised>>,
    /// A duplicate of each that is in use, for a parent that may come.
    held: Mutex<BTreeMap<SocketAddr, OwnedFd>>,
}

/// An address that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) address: SocketAddr,
    listeners: Arc<Listeners>,
}

impl Listeners {
    /// Those of a worker.
    pub(super) fn of(parent: Arc<Supervised>) -> Self {
        Self { parent: Some(parent), held: Mutex::default() }
    }

    /// Opens a listening socket.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when something listens there, be it one of our own.
    pub(crate) async fn open(self: &Arc<Self>, address: SocketAddr) -> Result<(TcpListener, Hold)> {
        let Some(parent) = &self.parent else {
            let listener = bind(address)?;
            let address = listener.local_addr().map_err(unusable)?;
            return Ok((listener, self.hold(address)));
        };
        if self.lock().contains_key(&address) {
            return Err(Error::new(ErrorKind::Conflict, format!("{address} is already in use")));
        }
        let granted = match parent.listen(address).await {
            Some(granted) => {
                let (fd, _) = granted?;
                let listener = std::net::TcpListener::from(fd);
                listener.set_nonblocking(true).map_err(unusable)?;
                TcpListener::from_std(listener).map_err(unusable)?
            }
            None => bind(address)?,
        };
        let address = granted.local_addr().map_err(unusable)?;
        let spare = granted.as_fd().try_clone_to_owned().map_err(unusable)?;
        self.lock().insert(address, spare);
        Ok((granted, self.hold(address)))
    }

    /// Every address in use.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.lock().keys().copied().collect()
    }

    /// A duplicate of every socket in use.
    pub(super) fn duplicates(&self) -> io::Result<Vec<(SocketAddr, OwnedFd)>> {
        self.lock().iter().map(|(address, fd)| Ok((*address, fd.try_clone()?))).collect()
    }

    fn hold(self: &Arc<Self>, address: SocketAddr) -> Hold {
        Hold { address, listeners: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, OwnedFd>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Leaves the address to another process: the parent keeps its socket.
    pub(crate) fn leave(self) {
        self.listeners.lock().remove(&self.address);
    }

    /// Lets go of the address; returns when it is free, provided that nobody of ours accepts any more.
    pub(crate) async fn let_go(self) {
        let held = self.listeners.lock().remove(&self.address);
        if let (Some(_), Some(parent)) = (&held, &self.listeners.parent) {
            parent.let_go(self.address).await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let held = self.listeners.lock().remove(&self.address);
        if let (Some(_), Some(parent)) = (held, &self.listeners.parent) {
            parent.let_go_some_time(self.address);
        }
    }
}

fn unusable(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "use a listening socket").temporary().with_source(error)
}
