//! The lock by which a person keeps everybody from deploying for a while.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::log::Journal;
use super::record::{Act, Event, Record};
use super::state::State;
use crate::error::{Error, ErrorKind, Result};

/// Somebody's wish that nobody deploys meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Who wants it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Why, in their words.
    pub reason: String,
    /// When it was lifted and by whom, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// The end of a [`Lock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Who lifted it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Lock {
    /// The answer to whoever wants to begin something that a lock forbids.
    pub fn busy(&self) -> Error {
        Error::new(ErrorKind::Busy, self.to_string())
            .with_hint("ask them, or lift it: quickserve unlock; a rollback is not held up")
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.strftime("%Y-%m-%d %H:%M:%SZ");
        write!(f, "{} has locked the service since {since}: {}", self.by, self.reason)
    }
}

impl Act {
    /// Whether a lock forbids it. The ways back to what was good stay open: whoever needs one, needs it at once.
    pub fn heeds_lock(self) -> bool {
        match self {
            Self::Deploy | Self::Scale | Self::Restart | Self::Down => true,
            Self::Rollback | Self::Resume => false,
        }
    }
}

impl State {
    /// The lock that is in force.
    pub fn lock(&self) -> Option<&Lock> {
        self.locks.last().filter(|lock| lock.lifted.is_none())
    }

    pub(super) fn fold_lock(&mut self, record: &Record, event: &Event) {
        match event {
            Event::Locked { by, reason } => self.locks.push(Lock {
                by: by.clone(),
                since: record.at,
                reason: reason.clone(),
                lifted: None,
            }),
            Event::Unlocked { by } => {
                if let Some(lock) = self.locks.last_mut() {
                    lock.lifted.get_or_insert(Lifted { by: by.clone(), at: record.at });
                }
            }
            _ => {}
        }
    }
}

impl Journal {
    /// Locks the service, and answers with the lock and whether it is new: the same wish of the same person
    /// stands already. A deployment in flight goes on.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when it is locked for another reason; that lock's words are not written over.
    pub async fn lock(&mut self, by: &str, reason: &str) -> Result<(Lock, bool)> {
        self.refresh().await?;
        let mut new = false;
        if !self.is_locked_as(by, reason) {
            let entry = |journal: &Self| {
                if let Some(lock) = journal.state.lock() {
                    return Err(lock.busy());
                }
                let event = Event::Locked { by: by.to_owned(), reason: reason.to_owned() };
                Ok((Some(journal.state.epoch), event))
            };
            self.write(entry).await?;
            new = true;
        }
        let lock = self.state.lock().cloned();
        let lock = lock.ok_or_else(|| Error::new(ErrorKind::Conflict, "the lock was lifted at once"))?;
        Ok((lock, new))
    }

    /// Lifts the lock, whoever holds it, and answers with it; nothing where there is none.
    ///
    /// # Errors
    /// Like [`append`](Self::append).
    pub async fn unlock(&mut self, by: &str) -> Result<Option<Lock>> {
        self.refresh().await?;
        if self.state.lock().is_none() {
            return Ok(None);
        }
        let entry = |journal: &Self| Ok((Some(journal.state.epoch), Event::Unlocked { by: by.to_owned() }));
        self.write(entry).await?;
        Ok(self.state.locks.last().cloned())
    }

    fn is_locked_as(&self, by: &str, reason: &str) -> bool {
        self.state.lock().is_some_and(|lock| lock.by == by && lock.reason == reason)
    }
}
