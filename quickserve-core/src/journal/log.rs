//! The log: reading it, and appending to it by compare-and-set.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectStore;

use super::lease::{DEFAULT_TTL, Term};
use super::parse::{Parsed, parse};
use super::record::{Entry, Event, Record, VERSION};
use super::snapshot;
use super::state::State;
use super::store::{Folder, Shelf};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::fence::Epoch;
use crate::service::ServiceKey;

/// How often a record is tried to be decided before its append is given up for now.
const ATTEMPTS: u32 = 6;

/// The wait before the second attempt; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(100);

/// The journal of one service, as one process sees it.
///
/// Every call may be dropped while it waits: a record whose fate is then unknown is decided by the next append.
#[derive(Debug)]
pub struct Journal {
    pub(super) key: ServiceKey,
    pub(super) shelf: Shelf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: State,
    pub(super) term: Option<Term>,
    pub(super) lease_ttl: Duration,
    /// The state before the deployment that this process opened, until its snapshot is written.
    pub(super) unsaved: Option<Box<State>>,
    nonce: String,
    ids: u64,
    /// The last of the torn records at the end that no [`Event::Repaired`] has sealed yet.
    torn: Option<u64>,
    /// The record that was sent and of which nobody knows yet whether it stands.
    undecided: Option<Sent>,
}

/// A record on its way.
#[derive(Debug, Clone)]
struct Sent {
    record: Record,
    bytes: Bytes,
}

/// What turned out to be under the number that a record was sent to.
enum Decided {
    Ours,
    Another,
}

impl Journal {
    /// Reads the newest snapshot and every record after it.
    ///
    /// The service's folder in the store is `<environment>/<service>`. The store is the one foreign type in
    /// these libraries' interface, on purpose: whoever has one of `object_store`'s brings it along.
    ///
    /// `nonce` is unique among all journals ever read for writing: with it a writer knows its own records.
    ///
    /// # Errors
    /// When the store cannot be read, when a record is missing, misplaced or unreadable in the middle, or when
    /// a newer version of QuickServe wrote what this one cannot read.
    pub async fn read(
        store: Arc<dyn ObjectStore>,
        key: &ServiceKey,
        clock: Arc<dyn Clock>,
        nonce: impl Into<String>,
    ) -> Result<Self> {
        let shelf = Shelf::new(store, key);
        let state = snapshot::newest(&shelf).await?.unwrap_or_default();
        let base = state.last;
        let mut journal = Self {
            key: key.clone(),
            shelf,
            clock,
            state,
            term: None,
            lease_ttl: DEFAULT_TTL,
            unsaved: None,
            nonce: nonce.into(),
            ids: 0,
            torn: None,
            undecided: None,
        };
        let listed = journal.shelf.numbers(Folder::Records, base).await?;
        // A snapshot is written after the record that follows it; that record gone means that the end is gone.
        let last = listed.last().copied().unwrap_or(if base > 0 { base + 1 } else { 0 });
        let numbers: Vec<u64> = (base + 1..=last).collect();
        for (number, bytes) in journal.shelf.get_all(Folder::Records, &numbers).await? {
            let bytes = bytes.ok_or_else(|| journal.missing(number))?;
            journal.fold(number, &bytes)?;
        }
        journal.refresh().await?;
        Ok(journal)
    }

    /// Sets how long a lease of this process lasts when it is not renewed; 30 seconds unless set. Everybody
    /// who uses a journal sets the same.
    #[must_use]
    pub fn with_lease_ttl(mut self, ttl: Duration) -> Self {
        self.lease_ttl = ttl;
        self
    }

    /// How long a lease of this process lasts when it is not renewed.
    pub fn lease_ttl(&self) -> Duration {
        self.lease_ttl
    }

    /// Whose journal it is.
    pub fn key(&self) -> &ServiceKey {
        &self.key
    }

    /// What the records that were read so far amount to.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Folds in what others have appended since. Says whether there was anything.
    pub async fn refresh(&mut self) -> Result<bool> {
        let mut any = false;
        loop {
            let number = self.next();
            let Some(bytes) = self.shelf.get(Folder::Records, number).await? else { return Ok(any) };
            self.fold(number, &bytes)?;
            any = true;
        }
    }

    /// Every readable record from a number on, without folding any.
    pub async fn records(&self, from: u64) -> Result<Vec<Record>> {
        let numbers: Vec<u64> = (from.max(1)..self.next()).collect();
        let mut records = Vec::new();
        for (number, bytes) in self.shelf.get_all(Folder::Records, &numbers).await? {
            let bytes = bytes.ok_or_else(|| self.missing(number))?;
            if let Parsed::Whole(record) = parse(number, &bytes)? {
                records.push(*record);
            }
        }
        let mut number = from.max(self.next());
        while let Some(bytes) = self.shelf.get(Folder::Records, number).await? {
            if let Parsed::Whole(record) = parse(number, &bytes)? {
                records.push(*record);
            }
            number += 1;
        }
        Ok(records)
    }

    /// The number of the next record.
    pub(super) fn next(&self) -> u64 {
        self.torn.unwrap_or(self.state.last) + 1
    }

    /// Appends what `entry` makes of the state, once all that others appended before it is folded in.
    ///
    /// `entry` is asked again whenever somebody else was first. It gives the epoch (none: the record begins its
    /// own) and the event.
    pub(super) async fn write(
        &mut self,
        mut entry: impl FnMut(&Self) -> Result<(Option<Epoch>, Event)>,
    ) -> Result<u64> {
        if let Some(sent) = self.undecided.clone() {
            // The same call again after it had failed: if its first record stands, that is the answer.
            let again = entry(self).is_ok_and(|(_, event)| sent.record.entry == Entry::from(event));
            if matches!(self.decide(sent.clone()).await?, Decided::Ours) && again {
                return Ok(sent.record.seq);
            }
        }
        loop {
            let (epoch, event) = entry(self)?;
            if let Some(torn) = self.torn {
                let sent = self.send(Some(self.state.epoch), Event::Repaired { torn })?;
                self.decide(sent).await?;
                continue;
            }
            let sent = self.send(epoch, event)?;
            if matches!(self.decide(sent.clone()).await?, Decided::Ours) {
                return Ok(sent.record.seq);
            }
        }
    }

    /// Makes the next record and remembers it as undecided: from here on only its bytes go to its number.
    fn send(&mut self, epoch: Option<Epoch>, event: Event) -> Result<Sent> {
        let seq = self.next();
        self.ids += 1;
        let record = Record {
            v: VERSION,
            seq,
            epoch: epoch.unwrap_or(Epoch(seq)),
            id: format!("{}:{}", self.nonce, self.ids),
            at: self.clock.now(),
            entry: event.into(),
        };
        let bytes = serde_json::to_vec(&record).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "write a record of the journal as JSON").with_source(error)
        })?;
        let sent = Sent { record, bytes: bytes.into() };
        self.undecided = Some(sent.clone());
        Ok(sent)
    }

    /// Finds out what stands under the number of a record that was or is being sent.
    ///
    /// Any answer but success decides nothing: a conflict can be with ourselves, after a retry inside the
    /// store's client, or with nothing at all; an error can come after the record became visible. So the key is
    /// read, and as long as nothing stands there the same bytes are sent again.
    async fn decide(&mut self, sent: Sent) -> Result<Decided> {
        let seq = sent.record.seq;
        let mut attempt = 0;
        let error = loop {
            let Err(refused) = self.shelf.create(Folder::Records, seq, sent.bytes.clone()).await else {
                self.fold(seq, &sent.bytes)?;
                return Ok(Decided::Ours);
            };
            let error = match self.shelf.get(Folder::Records, seq).await {
                Ok(Some(bytes)) => {
                    let ours = bytes == sent.bytes;
                    self.fold(seq, &bytes)?;
                    return Ok(if ours { Decided::Ours } else { Decided::Another });
                }
                Ok(None) => refused,
                Err(unread) => unread,
            };
            attempt += 1;
            let hopeless = !error.is_temporary() && error.kind() != ErrorKind::Conflict;
            if attempt == ATTEMPTS || hopeless {
                break error;
            }
            self.clock.sleep(BACKOFF * 2_u32.pow(attempt - 1)).await;
        };
        let kind = match error.kind() {
            ErrorKind::Conflict => ErrorKind::Unavailable,
            kind => kind,
        };
        let retry = if kind == ErrorKind::Unavailable { Retry::Exhausted } else { error.retry() };
        let hint =
            error.hint().unwrap_or("whether it stands is not known; the next command finds out").to_owned();
        Err(Error::new(kind, "append to the journal")
            .with_retry(retry)
            .with_context("record", seq.to_string())
            .with_hint(hint)
            .with_source(error))
    }

    /// Folds in what stands under the next number.
    fn fold(&mut self, number: u64, bytes: &Bytes) -> Result<()> {
        let own = self.undecided.take_if(|sent| sent.record.seq == number);
        let Parsed::Whole(record) = parse(number, bytes)? else {
            self.torn = Some(number);
            return Ok(());
        };
        if own.as_ref().is_some_and(|sent| sent.record.id == record.id && sent.bytes != bytes) {
            return Err(Error::new(ErrorKind::Unexpected, "two writers of the journal use the same nonce")
                .with_context("id", record.id.clone()));
        }
        let own = own.filter(|sent| sent.bytes == bytes);
        self.check(&record)?;
        if own.is_some() && record.entry.event().is_some_and(Event::begins_epoch) {
            self.term = Some(Term::new(record.epoch));
            self.unsaved =
                matches!(record.entry.event(), Some(Event::Opened(_))).then(|| Box::new(self.state.clone()));
        }
        self.torn = None;
        self.state.apply(&record);
        Ok(())
    }

    fn check(&self, record: &Record) -> Result<()> {
        let wrong = |message: &str| {
            Error::new(ErrorKind::Unexpected, message)
                .with_context("key", self.shelf.key(Folder::Records, record.seq).to_string())
        };
        if let Some(torn) = self.torn {
            let seals =
                matches!(record.entry.event(), Some(Event::Repaired { torn: sealed }) if *sealed == torn);
            if !seals {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    "a record in the middle of the journal is unreadable",
                )
                .with_context("key", self.shelf.key(Folder::Records, torn).to_string())
                .with_hint("bring the object back from a backup; nothing was written after it was torn"));
            }
        }
        let begins = record.epoch.0 == record.seq;
        if record.entry.event().is_some_and(|event| event.begins_epoch() != begins) {
            return Err(wrong("a record's epoch does not fit its kind"));
        }
        if !begins && record.epoch != self.state.epoch {
            return Err(wrong("a record was written in an epoch that had ended")
                .with_context("epoch", record.epoch.to_string()));
        }
        Ok(())
    }

    fn missing(&self, number: u64) -> Error {
        Error::new(ErrorKind::Unexpected, "a record of the journal is missing")
            .with_context("key", self.shelf.key(Folder::Records, number).to_string())
            .with_hint(
                "records are never deleted: look for an expiration rule of the bucket, or a clean-up job",
            )
    }
}
