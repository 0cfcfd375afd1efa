//! A deployment that was asked to stop in the middle, and one that has: nobody owns it until it is answered.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::log::Journal;
use super::record::{Event, Record};
use super::state::OpenDeployment;
use crate::clock::after;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Purpose, Step};
use crate::workload::seconds;

/// A deployment that waits for an answer. Its owner has let go of it, so nobody judges it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Who asked for it.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// The step that was not begun.
    pub before: Step,
    /// What was left of its time: a pause stops the deadline.
    #[serde(with = "seconds")]
    pub left: Duration,
    /// Until when it waits. From then on whoever comes next takes it back.
    pub until: Timestamp,
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.at.strftime("%Y-%m-%d %H:%M:%SZ");
        write!(f, "paused by {} since {since}, before: {}", self.by, self.before)
    }
}

impl Journal {
    /// Lets go of the deployment before a step, as its owner, and answers whether it did: not where the wish was
    /// withdrawn, or an abort came, before the record stood.
    ///
    /// # Errors
    /// Like [`append`](Self::append).
    pub(crate) async fn park(&mut self, before: &Step, left: Duration, until: Timestamp) -> Result<bool> {
        let entry = |journal: &Self| {
            let epoch = journal.owned()?;
            let open = journal.state.open.as_ref().filter(|open| open.can_pause());
            let Some(by) = open.and_then(|open| open.pause.clone()) else {
                return Err(Error::new(ErrorKind::Conflict, "nobody wants it paused any more"));
            };
            Ok((Some(epoch), Event::Parked { by, before: before.clone(), left, until }))
        };
        match self.write(entry).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl OpenDeployment {
    /// Whether it may still be paused: its release has not proven itself yet, and is not given up.
    pub fn can_pause(&self) -> bool {
        let proving = self.opened.purpose == Purpose::Prove && !self.promoted;
        proving && self.failed.is_none() && self.abort.is_none()
    }

    pub(super) fn fold_pause(&mut self, record: &Record, event: &Event) {
        match event {
            Event::PauseRequested { by } if self.can_pause() => self.pause = Some(by.clone()),
            Event::PromoteRequested { .. } => self.pause = None,
            Event::Parked { by, before, left, until } => {
                self.pause = None;
                self.parked = Some(Parked {
                    by: by.clone(),
                    at: record.at,
                    before: before.clone(),
                    left: *left,
                    until: *until,
                });
            }
            Event::TakenOver { .. } => {
                if let (Some(parked), Some((_, deadline))) = (self.parked.take(), &mut self.plan) {
                    *deadline = after(record.at, parked.left);
                }
            }
            _ => {}
        }
    }
}
