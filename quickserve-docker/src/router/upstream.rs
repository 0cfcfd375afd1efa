//! One task as the router sees it: its requests in flight, its connections, and whether it can be reached.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, Ordering::Relaxed};

use quickserve_core::orchestrator::TaskId;
use quickserve_core::traffic;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::multiplex::Multiplex;
use super::options::Check;
use super::pool::Pool;

/// How much longer a task that could not be reached is avoided by requests that cannot be sent twice: others
/// find out first whether it is back.
const AVOID_FOR_UNREPEATABLE_MS: u64 = 5000;

/// How many connections to a task are opened at a time.
const OPENING: usize = 64;

/// A task that requests go to.
///
/// It outlives the splits that name it: while a request is with it, and from one split to the next.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) task: TaskId,
    pub(super) address: SocketAddr,
    pub(super) pool: Pool,
    pub(super) multiplex: Multiplex,
    /// For each connection that is being opened: a switch under load must not overrun the queue in which a
    /// task finds new ones.
    pub(super) opening: Semaphore,
    in_flight: AtomicU64,
    /// While it cannot be reached.
    absence: Backoff,
    trouble: AtomicU8,
    /// While its answers fail.
    ejection: Backoff,
    /// How many of them did, in a row.
    errors: AtomicU32,
    /// Whether it says itself that it is not well, or nothing when it is asked.
    unwell: AtomicBool,
    /// How many probes in a row have said otherwise.
    probes: AtomicU32,
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
            multiplex: Multiplex::default(),
            opening: Semaphore::new(OPENING),
            in_flight: AtomicU64::new(0),
            absence: Backoff::default(),
            trouble: AtomicU8::new(0),
            ejection: Backoff::default(),
            errors: AtomicU32::new(0),
            unwell: AtomicBool::new(false),
            probes: AtomicU32::new(0),
            born: Instant::now(),
        }
    }

    pub(super) fn is(&self, upstream: &traffic::Upstream) -> bool {
        self.task == upstream.task && self.address == upstream.address
    }

    /// Keeps connections for the requests to come.
    pub(super) fn open(&self) {
        self.pool.open();
        self.multiplex.open();
    }

    /// Keeps none any more: it gets no new requests.
    pub(super) fn close(&self) {
        self.pool.close();
        self.multiplex.close();
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
        self.is_present(repeatable) && self.absence.take(|| self.now())
    }

    /// Whether it is worth a try before others of its release, as its answers and its probes say. After failed
    /// answers, one request at a time may try it again.
    pub(super) fn is_healthy(&self, repeatable: bool) -> bool {
        !self.unwell.load(Relaxed)
            && self.is_present(repeatable)
            && self.ejection.is_due(|| self.now(), 0)
            && self.absence.take(|| self.now())
            && self.ejection.take(|| self.now())
    }

    fn is_present(&self, repeatable: bool) -> bool {
        let grace = if repeatable { 0 } else { AVOID_FOR_UNREPEATABLE_MS };
        self.absence.is_due(|| self.now(), grace)
    }

    /// Whether its last failure was one that costs nothing to meet again.
    pub(super) fn is_cheap_to_try(&self) -> bool {
        !self.absence.is_on() || self.trouble.load(Relaxed) == Trouble::Refused as u8
    }

    pub(super) fn reached(&self) {
        if self.absence.end() {
            tracing::info!(task = %self.task, "a task can be reached again");
        }
    }

    pub(super) fn failed(&self, trouble: Trouble) {
        self.trouble.store(trouble as u8, Relaxed);
        if self.absence.begin(self.now()) {
            tracing::warn!(task = %self.task, address = %self.address, ?trouble, "a task cannot be reached");
        }
    }

    /// It answered, or failed to. After `eject_after` failures in a row others of its release are preferred.
    pub(super) fn answered(&self, failed: bool, eject_after: u32) {
        if failed {
            let errors = self.errors.fetch_add(1, Relaxed).saturating_add(1);
            if eject_after != 0 && errors >= eject_after && self.ejection.begin(self.now()) {
                tracing::warn!(task = %self.task, errors, "a task's answers fail; others are preferred");
            }
        } else if self.errors.load(Relaxed) != 0 {
            self.errors.store(0, Relaxed);
            if self.ejection.end() {
                tracing::info!(task = %self.task, "a task answers well again");
            }
        }
    }

    /// It was asked whether it is well.
    pub(super) fn probed(&self, is_well: bool, check: &Check) {
        if is_well {
            self.reached();
        }
        let unwell = self.unwell.load(Relaxed);
        if is_well != unwell {
            self.probes.store(0, Relaxed);
            return;
        }
        let probes = self.probes.fetch_add(1, Relaxed) + 1;
        let threshold = if unwell { check.healthy_threshold } else { check.unhealthy_threshold };
        if probes >= threshold {
            self.probes.store(0, Relaxed);
            self.unwell.store(!unwell, Relaxed);
            let word =
                if unwell { "a task is well again" } else { "a task is not well; others are preferred" };
            tracing::warn!(task = %self.task, address = %self.address, word);
        }
    }

    /// It is not asked any more.
    pub(super) fn forget_probes(&self) {
        self.unwell.store(false, Relaxed);
        self.probes.store(0, Relaxed);
    }

    /// Why others are preferred to it, if they are.
    pub(super) fn ailment(&self) -> Option<&'static str> {
        if self.absence.is_on() {
            Some("it cannot be reached")
        } else if self.unwell.load(Relaxed) {
            Some("it fails its health check")
        } else if self.ejection.is_on() {
            Some("its answers fail")
        } else {
            None
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
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
