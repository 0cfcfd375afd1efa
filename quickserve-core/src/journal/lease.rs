//! The lease: how an owner shows that it is alive, and how others decide that it is not.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::log::Journal;
use super::record::Process;
use super::store::Folder;
use crate::clock::{self, Clock};
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Epoch;

/// How long a lease lasts unless set otherwise.
pub(super) const DEFAULT_TTL: Duration = Duration::from_secs(30);

/// What this process owns.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) epoch: Epoch,
    /// How often the lease was written.
    counter: u64,
    /// When the last confirmed renewal began.
    confirmed: Option<Timestamp>,
    /// When the last lease of the former owner has ended.
    former_ends: Option<Timestamp>,
}

impl Term {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self { epoch, counter: 0, confirmed: None, former_ends: None }
    }

    /// When the confirmed lease ends.
    pub(super) fn not_after(&self, ttl: Duration) -> Timestamp {
        self.confirmed.map_or(Timestamp::MIN, |confirmed| clock::after(confirmed, ttl))
    }

    /// Whether so much of the lease has not passed yet. A wall clock that was set back makes it none.
    fn lasts(&self, now: Timestamp, part: Duration) -> bool {
        self.confirmed.is_some_and(|confirmed| confirmed <= now && now < clock::after(confirmed, part))
    }
}

/// What stands under an epoch's key, written by its owner alone.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    epoch: Epoch,
    /// Counts the renewals, so that each changes the bytes.
    counter: u64,
    /// How long others see it unchanged before the owner is gone.
    ttl_ms: u64,
    /// The owner's wall time, for people.
    at: Timestamp,
}

impl Journal {
    /// Renews the lease, once a third of its time has passed; a no-op before that.
    ///
    /// A lease's key belongs to one epoch and nobody else writes it, so writing it proves nothing: an owner
    /// that was suspended while another took over could. So the log is read after it, and only when no other
    /// owner stands there does the lease count, from the time before it was written. Requests of others are
    /// folded in by the way.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] when this process is not or no longer the owner. A store that is unavailable is no
    /// error while the former lease lasts: the next call tries again.
    pub async fn renew(&mut self) -> Result<()> {
        let epoch = self.owned()?;
        let now = self.clock.now();
        if self.term.as_ref().is_some_and(|term| term.lasts(now, self.lease_ttl / 3)) {
            return Ok(());
        }
        match self.renew_now(epoch, now).await {
            Err(error) if error.is_temporary() && self.lease_valid() => {
                tracing::warn!(%error, "the lease was not renewed yet");
                Ok(())
            }
            answer => answer,
        }
    }

    async fn renew_now(&mut self, epoch: Epoch, now: Timestamp) -> Result<()> {
        let Some(term) = &mut self.term else { return Ok(()) };
        term.counter += 1;
        let ttl = self.lease_ttl;
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let lease = Lease { epoch, counter: term.counter, ttl_ms, at: now };
        let bytes = serde_json::to_vec(&lease).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "write the lease as JSON").with_source(error)
        })?;
        self.shelf.overwrite(Folder::Leases, epoch.0, bytes.into()).await?;
        self.refresh().await?;
        self.owned()?;
        if let Some(term) = &mut self.term {
            term.confirmed = Some(now);
        }
        Ok(())
    }

    /// Whether this process is the owner as far as it knows and its confirmed lease has not ended, by the wall
    /// clock: time that it was suspended counts.
    pub fn lease_valid(&self) -> bool {
        let now = self.clock.now();
        self.owned().is_ok() && self.term.as_ref().is_some_and(|term| term.lasts(now, self.lease_ttl))
    }

    /// When the last lease of the owner that this one took over has ended, whatever it saw last: nothing that
    /// platforms which cannot refuse a stale call were sent is younger. Nothing when nobody was taken over.
    pub fn former_lease_ends(&self) -> Option<Timestamp> {
        self.term.as_ref().and_then(|term| term.former_ends)
    }

    /// Counts the former owner's lease from now, where its record that ends its term stands. A renewal that it
    /// began before that may have been confirmed without anybody having seen it.
    pub(super) async fn outlast(&mut self, ended: Epoch) {
        let lease = self.shelf.get(Folder::Leases, ended.0).await.unwrap_or_default();
        let ttl = ttl(lease.as_ref()).max(self.lease_ttl);
        if let Some(term) = &mut self.term {
            term.former_ends = Some(clock::after(self.clock.now(), ttl));
        }
    }

    /// Writes the first lease of a term. It may fail: then there is no valid lease until a renewal succeeds.
    pub(super) async fn begin_lease(&mut self) {
        if let Err(error) = self.renew().await {
            tracing::warn!(%error, "the first lease was not confirmed");
        }
    }
}

/// Looks for a process on this host.
pub trait Liveness: Debug + Send + Sync + 'static {
    /// Whether the process lives; nothing where that cannot be known, because it belongs to another host or
    /// to another boot of this one.
    fn check(&self, process: &Process) -> Option<bool>;

    /// When this host was started, where it is the machine of a process that belongs to an earlier boot of it;
    /// nothing where that is not known. Names of machines may have been cloned, so this alone decides nothing.
    fn restarted(&self, process: &Process) -> Option<Timestamp>;
}

/// Knows of no process, so that only leases decide.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLiveness;

impl Liveness for NoLiveness {
    fn check(&self, _: &Process) -> Option<bool> {
        None
    }

    fn restarted(&self, _: &Process) -> Option<Timestamp> {
        None
    }
}

/// What is known about the owner of the open deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerStatus {
    /// It lives: its lease has changed since the last look, or its process was found on this host and its
    /// lease is fresh.
    Alive,
    /// Its lease has not changed, though not for long enough to tell: look again in a second or so.
    Unknown,
    /// It is gone.
    Gone {
        /// How that is known, for the record that takes over.
        because: String,
    },
}

/// Decides whether an owner is gone, on the clock of the one who asks.
#[derive(Debug)]
pub struct OwnerWatch {
    liveness: Arc<dyn Liveness>,
    clock: Arc<dyn Clock>,
    seen: Option<Seen>,
}

/// The lease at the last look.
#[derive(Debug)]
struct Seen {
    epoch: Epoch,
    lease: Option<Bytes>,
    at: Timestamp,
    unchanged: Duration,
}

impl OwnerWatch {
    /// A watch that has not looked yet.
    pub fn new(liveness: Arc<dyn Liveness>, clock: Arc<dyn Clock>) -> Self {
        Self { liveness, clock, seen: None }
    }

    /// Looks once. It wants to be called every few seconds, on a journal that was just
    /// [refreshed](Journal::refresh).
    ///
    /// Wall times of two machines are never compared: what counts is for how long this watch has seen the lease
    /// unchanged. A gap between two looks counts at most half a lease, because a machine that slept through it
    /// may be the owner's too, which then deserves time to renew.
    pub async fn observe(&mut self, journal: &Journal) -> Result<OwnerStatus> {
        let gone = |because: String| Ok(OwnerStatus::Gone { because });
        let Some(open) = &journal.state().open else { return gone("its deployment has ended".to_owned()) };
        if let Some(parked) = &open.parked {
            return gone(format!("it is {parked}"));
        }
        let alive = open.owner.process.as_ref().and_then(|process| self.liveness.check(process));
        if alive == Some(false) {
            return gone(format!("the process of {} does not exist any more", open.owner.who));
        }
        let epoch = journal.state().epoch;
        let lease = journal.shelf.get(Folder::Leases, epoch.0).await?;
        let now = self.clock.now();
        let ttl = ttl(lease.as_ref()).max(journal.lease_ttl);
        // A process of this host wrote its lease by the clock that we read.
        let fresh = read(lease.as_ref()).is_some_and(|lease| clock::between(lease.at, now) <= ttl);
        let restarted = open.owner.process.as_ref().and_then(|process| self.liveness.restarted(process));
        if let (Some(restarted), Some(lease)) = (restarted, read(lease.as_ref()))
            && !fresh
            && lease.at < restarted
        {
            // Were it a clone of this machine that lives, its lease would be younger.
            return gone(format!("the machine of {} was restarted since", open.owner.who));
        }
        let former = self.seen.take();
        let first = former.as_ref().is_none_or(|seen| seen.epoch != epoch);
        let unchanged = match former {
            Some(seen) if seen.epoch == epoch && seen.lease == lease => {
                Some(seen.unchanged + clock::between(seen.at, now).min(ttl / 2))
            }
            _ => None,
        };
        self.seen = Some(Seen { epoch, lease, at: now, unchanged: unchanged.unwrap_or_default() });
        match unchanged {
            Some(unchanged) if unchanged > ttl => {
                gone(format!("the lease of {} was not renewed for {} s", open.owner.who, unchanged.as_secs()))
            }
            None if !first => Ok(OwnerStatus::Alive),
            _ if alive == Some(true) && fresh => Ok(OwnerStatus::Alive),
            _ => Ok(OwnerStatus::Unknown),
        }
    }
}

fn read(lease: Option<&Bytes>) -> Option<Lease> {
    lease.and_then(|bytes| serde_json::from_slice(bytes).ok())
}

/// How long the owner wants its lease to last.
fn ttl(lease: Option<&Bytes>) -> Duration {
    read(lease).map_or(Duration::ZERO, |lease| Duration::from_millis(lease.ttl_ms))
}
