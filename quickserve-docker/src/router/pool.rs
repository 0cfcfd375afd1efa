//! The idle connections to one task.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Wire;

/// More idle connections than this to one task are closed.
const MAX_IDLE: usize = 512;

/// The idle connections to one task. Each task has its own, so that none ever crosses releases.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    closed: bool,
    /// The longest unused first.
    wires: VecDeque<Wire>,
}

impl Pool {
    /// The connection used last, unless it has rested for longer than `limit`.
    pub(super) fn take(&self, limit: Duration) -> Option<Wire> {
        let wire = self.lock().wires.pop_back()?;
        (!wire.is_stale(Instant::now(), limit)).then_some(wire)
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, wire: Wire) {
        let now = Instant::now();
        let Some(wire) = wire.rest(now) else { return };
        // Closing sockets is left until the lock is free.
        let surplus = {
            let mut idle = self.lock();
            if idle.closed {
                Some(wire)
            } else {
                idle.wires.push_back(wire);
                let oldest = idle.wires.front();
                let too_old = oldest.is_some_and(|oldest| oldest.is_stale(now, Duration::MAX));
                if too_old || idle.wires.len() > MAX_IDLE { idle.wires.pop_front() } else { None }
            }
        };
        drop(surplus);
    }

    /// Closes all idle connections, and each that comes back from now on.
    pub(super) fn close(&self) {
        let mut idle = self.lock();
        idle.closed = true;
        let wires = std::mem::take(&mut idle.wires);
        drop(idle);
        drop(wires);
    }

    /// Keeps connections again.
    pub(super) fn open(&self) {
        self.lock().closed = false;
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
