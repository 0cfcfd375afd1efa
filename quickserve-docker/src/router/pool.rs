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
        let now = Instant::now();
        let mut idle = self.lock();
        if idle.wires.back()?.is_stale(now, limit) {
            return None;
        }
        idle.wires.pop_back()
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, wire: Wire) {
        let now = Instant::now();
        let Some(wire) = wire.rest(now) else { return };
        // Closing sockets is left until the lock is free.
        let mut surplus = Vec::new();
        {
            let mut idle = self.lock();
            if idle.closed {
                surplus.push(wire);
            } else {
                idle.wires.push_back(wire);
                while idle.wires.len() > MAX_IDLE
                    || idle.wires.front().is_some_and(|oldest| oldest.is_stale(now, Duration::MAX))
                {
                    surplus.extend(idle.wires.pop_front());
                }
            }
        }
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
