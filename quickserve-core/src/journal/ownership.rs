//! Becoming the owner of a service, writing as its owner, and asking the owner for something.

use jiff::Timestamp;

use super::log::Journal;
use super::record::{Event, Opened, Owner};
use super::snapshot;
use super::state::OpenDeployment;
use crate::error::{Error, ErrorKind, Result};
use crate::fence::{Epoch, Fence};

impl Journal {
    /// Begins a deployment and becomes the owner: the epoch is the number of the record that says so.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] while another deployment is open, saying whose, since when, and at which step; also
    /// when one began and ended since this journal was last read, and while a [`Lock`](super::Lock) forbids it.
    pub async fn open(&mut self, opened: Opened) -> Result<Epoch> {
        let read = self.state.epoch;
        self.refresh().await?;
        if !self.has_opened(&opened) {
            let entry = |journal: &Self| match &journal.state.open {
                Some(open) => Err(busy(open)),
                // What is about to be opened was decided from what was read, and that is not so any more.
                None if journal.state.epoch != read => {
                    Err(Error::new(ErrorKind::Busy, "another deployment began and ended meanwhile")
                        .with_hint("run the command again"))
                }
                None => match journal.state.lock().filter(|_| opened.act.heeds_lock()) {
                    Some(lock) => Err(lock.busy()),
                    None => Ok((None, Event::Opened(Box::new(opened.clone())))),
                },
            };
            self.write(entry).await?;
        }
        self.begin_lease().await;
        self.save_unsaved().await;
        self.owned()
    }

    /// Becomes the owner of the unfinished deployment.
    ///
    /// Only after the former owner is known to be gone: see [`OwnerWatch`](super::OwnerWatch). On a platform
    /// that cannot refuse a stale owner's calls, wait for [`former_lease_ends`](Self::former_lease_ends) and
    /// whatever a call of it may still take to arrive, and then observe, before anything else.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when there is nothing to take over, or somebody else took it over since this
    /// journal was last read; [`ErrorKind::Unsupported`] when a newer version of QuickServe must finish it.
    pub async fn take_over(&mut self, owner: Owner, because: String) -> Result<Epoch> {
        let ended = self.state.epoch;
        self.refresh().await?;
        let holds = self.state.open.as_ref().is_some_and(|open| open.owner == owner);
        if holds && self.owned().is_ok() {
            // The same call again after it had failed, though its record stands.
            self.outlast(ended).await;
            self.begin_lease().await;
            return self.owned();
        }
        let entry = |journal: &Self| {
            let Some(open) = &journal.state.open else {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "there is no unfinished deployment to take over",
                ));
            };
            if journal.state.epoch != ended {
                return Err(Error::new(ErrorKind::Conflict, "somebody else has taken the deployment over")
                    .with_context("owner", open.owner.who.clone()));
            }
            can_finish(&open.opened)?;
            let owner = owner.clone();
            Ok((None, Event::TakenOver { owner, ended, because: because.clone() }))
        };
        self.write(entry).await?;
        self.outlast(ended).await;
        self.begin_lease().await;
        self.owned()
    }

    /// Appends in the epoch that this process owns and answers the record's number. Requests that others
    /// appended meanwhile are folded in first.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] when this process is not or no longer the owner. [`ErrorKind::Unavailable`] when
    /// it could not be found out whether the record stands; the same call again finds out.
    pub async fn append(&mut self, event: Event) -> Result<u64> {
        if event.begins_epoch() || matches!(event, Event::Repaired { .. }) {
            return Err(Error::new(ErrorKind::Unexpected, "an owner's record cannot be of this kind"));
        }
        self.write(|journal| Ok((Some(journal.owned()?), event.clone()))).await
    }

    /// Appends a request in the current owner's epoch, whoever that is, and answers the record's number.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the deployment has ended. Like [`append`](Self::append) otherwise.
    pub async fn request(&mut self, event: Event) -> Result<u64> {
        self.request_in(None, event).await
    }

    /// Appends a request to nobody: of a deployment whose owner is gone, before it is taken over. Whoever takes
    /// it over then, heeds it.
    ///
    /// # Errors
    /// Like [`request`](Self::request); [`ErrorKind::Conflict`] also when somebody else took the deployment
    /// over since this journal was last read: its new owner was not meant.
    pub(crate) async fn request_of_nobody(&mut self, event: Event) -> Result<u64> {
        self.request_in(Some(self.state.epoch), event).await
    }

    async fn request_in(&mut self, epoch: Option<Epoch>, event: Event) -> Result<u64> {
        let known = matches!(
            event,
            Event::AbortRequested { .. } | Event::PauseRequested { .. } | Event::PromoteRequested { .. }
        );
        if !known {
            return Err(Error::new(ErrorKind::Unexpected, "a request cannot be of this kind"));
        }
        self.refresh().await?;
        let meant = self.deployment();
        let entry = |journal: &Self| {
            if meant.is_none() || journal.deployment() != meant {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "there is no unfinished deployment to ask this of",
                ));
            }
            if epoch.is_some_and(|epoch| epoch != journal.state.epoch) {
                return Err(Error::new(ErrorKind::Conflict, "somebody else has taken the deployment over"));
            }
            Ok((Some(journal.state.epoch), event.clone()))
        };
        self.write(entry).await
    }

    /// Appends what was done beside any deployment, in the epoch of the time, and answers the record's number.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when nothing was ever deployed. Like [`append`](Self::append) otherwise.
    pub async fn note(&mut self, event: Event) -> Result<u64> {
        if !matches!(event, Event::CommandBegan(_) | Event::CommandEnded { .. }) {
            return Err(Error::new(ErrorKind::Unexpected, "a note cannot be of this kind"));
        }
        self.refresh().await?;
        let entry = |journal: &Self| match journal.state.epoch {
            Epoch(0) => Err(Error::new(ErrorKind::Conflict, "nothing was ever deployed here")),
            epoch => Ok((Some(epoch), event.clone())),
        };
        self.write(entry).await
    }

    /// The fence of the calls that a record announced. That of a process which owns nothing, or whose lease
    /// was never confirmed, has ended long ago.
    pub fn fence(&self, op: u64) -> Fence {
        let (epoch, not_after) = match (&self.term, self.owned()) {
            (Some(term), Ok(epoch)) => (epoch, term.not_after(self.lease_ttl)),
            (Some(term), Err(_)) => (term.epoch, Timestamp::MIN),
            (None, _) => (Epoch(0), Timestamp::MIN),
        };
        Fence { epoch, op, not_after }
    }

    /// Writes the snapshot of the state before the deployment. Without it, reading only takes longer.
    async fn save_unsaved(&mut self) {
        if let Some(state) = self.unsaved.take().filter(|state| state.last > 0)
            && let Err(error) = snapshot::save(&self.shelf, &state).await
        {
            tracing::warn!(%error, "a snapshot of the journal was not written");
        }
    }

    /// The epoch of this process.
    pub(super) fn owned(&self) -> Result<Epoch> {
        let Some(term) = &self.term else {
            return Err(Error::new(ErrorKind::Fenced, "this process does not own the service"));
        };
        if term.epoch == self.state.epoch {
            return Ok(term.epoch);
        }
        let fenced = Error::new(ErrorKind::Fenced, "another owner has taken over")
            .with_context("epoch", self.state.epoch.to_string());
        Err(match &self.state.open {
            Some(open) => fenced.with_context("owner", open.owner.who.clone()),
            None => fenced,
        })
    }

    /// The number of the record that opened the open deployment.
    fn deployment(&self) -> Option<u64> {
        self.state.open.as_ref().and_then(|_| self.state.deployments.last()).map(|summary| summary.seq)
    }

    /// Whether this process has opened exactly this already, and only its answer was lost.
    fn has_opened(&self, opened: &Opened) -> bool {
        self.owned().is_ok() && self.state.open.as_ref().is_some_and(|open| open.opened == *opened)
    }
}

/// The answer to whoever comes while a deployment holds the service: whose, since when, at which step.
pub(crate) fn busy(open: &OpenDeployment) -> Error {
    let deployment = &open.opened.deployment;
    if let Some(parked) = &open.parked {
        return Error::new(ErrorKind::Busy, format!("{deployment} holds the service, {parked}"))
            .with_hint("let it go on: quickserve promote; or take it back: quickserve abort");
    }
    let who = &open.owner;
    let since = open.started.strftime("%H:%M:%SZ");
    let step = open.step.as_ref().map_or_else(|| "planning".to_owned(), |(_, step, _)| step.to_string());
    let message = format!("{who} holds the service with {deployment} since {since}, now at: {step}");
    Error::new(ErrorKind::Busy, message)
        .with_hint("quickserve resume follows it to its end; or take it back: quickserve abort")
}

/// Whether this version may finish a deployment.
fn can_finish(opened: &Opened) -> Result<()> {
    let ours = env!("CARGO_PKG_VERSION");
    if version(&opened.needs).is_some_and(|needs| version(ours) >= Some(needs)) {
        return Ok(());
    }
    let message =
        format!("deployment {} cannot be finished by this version of QuickServe", opened.deployment);
    Err(Error::new(ErrorKind::Unsupported, message)
        .with_context("needs", opened.needs.clone())
        .with_context("this is", ours)
        .with_hint("upgrade QuickServe here, or take the deployment over where the newer version is"))
}

/// Major, minor and patch of a version; what follows a hyphen or plus counts for nothing.
fn version(text: &str) -> Option<[u64; 3]> {
    let release = text.split(['-', '+']).next()?;
    let numbers: Vec<u64> = release.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}
