//! One task as the router sees it: its requests in flight, its connections, and whether it can be reached.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use quickserve_core::orchestrator::TaskId;
use quickserve_core::traffic;
use tokio::time::Instant;

use super::pool::Pool;

/// For how long others are preferred to a task that could not be reached.
const AVOID_MS: u64 = 500;

/// The same for requests that cannot be sent twice: others find out first whether the task is back.
const AVOID_FOR_UNREPEATABLE_MS: u64 = 10 * AVOID_MS;

/// A task that requests go to.
///
/// It outlives the splits that name it: while a request is with it, and from one split to the next.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) task: TaskId,
    pub(super) address: SocketAddr,
    pub(super) pool: Pool,
    in_flight: AtomicU64,
    /// When it could last not be reached, in milliseconds since `born`, plus one; 0 when it could.
    failed: AtomicU64,
    trouble: AtomicU8,
    born: Instant,
}

/// In which way a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody listens: found out at once and at no cost, so that asking again is always worth it.
    Refused,
    /// It did not take the connection in time, or took it and then closed it without an answer.
    Deaf,
}

impl Upstream {
    pub(super) fn new(upstream: &traffic::Upstream) -> Self {
        Self {
            task: upstream.task.clone(),
            address: upstream.address,
            pool: Pool::default(),
            in_flight: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            trouble: AtomicU8::new(0),
            born: Instant::now(),
        }
    }

    pub(super) fn is(&self, upstream: &traffic::Upstream) -> bool {
        self.task == upstream.task && self.address == upstream.address
    }

    // Sequentially consistent, as a claim needs: see `Traffic::claim`.
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Whether it is worth a try before all others. After a failure, one request at a time may try it again.
    pub(super) fn is_promising(&self, repeatable: bool) -> bool {
        let failed = self.failed.load(Ordering::Relaxed);
        if failed == 0 {
            return true;
        }
        let now = self.now();
        let avoid = if repeatable { AVOID_MS } else { AVOID_FOR_UNREPEATABLE_MS };
        now >= failed + avoid
            && self.failed.compare_exchange(failed, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether its last failure was one that costs nothing to meet again.
    pub(super) fn is_cheap_to_try(&self) -> bool {
        self.failed.load(Ordering::Relaxed) == 0
            || self.trouble.load(Ordering::Relaxed) == Trouble::Refused as u8
    }

    pub(super) fn reached(&self) {
        if self.failed.load(Ordering::Relaxed) != 0 {
            tracing::info!(task = %self.task, "a task can be reached again");
            self.failed.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn failed(&self, trouble: Trouble) {
        self.trouble.store(trouble as u8, Ordering::Relaxed);
        if self.failed.swap(self.now(), Ordering::Relaxed) == 0 {
            tracing::warn!(task = %self.task, address = %self.address, ?trouble, "a task cannot be reached");
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }
}

impl Trouble {
    /// What a failure to connect says of the task; nothing when the fault is ours.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => Some(Self::Deaf),
            _ => None,
        }
    }
}
