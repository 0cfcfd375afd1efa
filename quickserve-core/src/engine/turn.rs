//! One deployment at a time holds a service: waiting for one's turn, and claiming what nobody works on any more.
//!
//! Who waits looks every second, and so does everybody else who waits: each has the same chance, and no order is
//! kept.

use std::time::Duration;

use jiff::Timestamp;

use super::control::Control;
use super::deployer::Deployer;
use super::policy::Ending;
use crate::clock::after;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Finished, Progress};
use crate::fence::Epoch;
use crate::journal::{Cause, Journal, OpenDeployment, OwnerStatus, OwnerWatch, busy};
use crate::outcome::Outcome;

/// How often one looks whether the service is free.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One command's wait for its turn.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    control: &'a Control,
    /// Until when a holder is waited for; none: not at all.
    until: Option<Timestamp>,
    /// What was last told of the wait.
    told: String,
    /// The owner of whom was told that it is looked whether it lives.
    looked: Option<Epoch>,
}

impl Deployer {
    /// A turn that is waited for as long as this deployer's patience lasts.
    pub(super) fn turn<'a>(&self, control: &'a Control) -> Turn<'a> {
        let patient = !self.patience.is_zero();
        let until = patient.then(|| after(self.parts.clock.now(), self.patience));
        Turn { until, ..Turn::at_once(control) }
    }

    /// Why the deployment in flight may be taken over; nothing when there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when it may not: its owner lives, or it is paused and waits for an answer.
    pub(super) async fn claim(&self, journal: &mut Journal, turn: &mut Turn<'_>) -> Result<Option<String>> {
        let clock = &self.parts.clock;
        let mut watch = OwnerWatch::new(self.parts.liveness.clone(), clock.clone());
        loop {
            let Some(open) = journal.state().open.clone() else { return Ok(None) };
            let taken = if open.waits_at(clock.now()) {
                true
            } else {
                match watch.observe(journal).await {
                    Ok(OwnerStatus::Gone { because }) => return Ok(Some(because)),
                    Ok(OwnerStatus::Alive) => true,
                    Ok(OwnerStatus::Unknown) => {
                        self.tell_look(turn, journal, &open);
                        false
                    }
                    Err(error) => {
                        if error.is_temporary() && turn.lasts(clock.now()) {
                            // As far as is known, it is held.
                            self.tell_wait(turn, &busy(&open));
                        }
                        self.sit_out(turn, error).await?;
                        look_again(journal).await?;
                        continue;
                    }
                }
            };
            let held = busy(&open);
            if turn.control.requested().is_some() || (taken && !turn.lasts(clock.now())) {
                return Err(held);
            }
            if taken {
                self.tell_wait(turn, &held);
            }
            turn.control.sleep(clock.as_ref(), LOOK_EVERY).await;
            look_again(journal).await?;
        }
    }

    /// The journal as it is now. Whoever waits already reads at the next look what cannot be read for a moment.
    pub(super) async fn journal_in(&self, turn: &Turn<'_>) -> Result<Journal> {
        loop {
            match self.journal().await {
                Err(error) => self.sit_out(turn, error).await?,
                journal => return journal,
            }
        }
    }

    /// Waits a little after something could not be read.
    ///
    /// # Errors
    /// What was wrong, unless one waits already and trying again may help.
    async fn sit_out(&self, turn: &Turn<'_>, error: Error) -> Result<()> {
        let clock = &self.parts.clock;
        if turn.told.is_empty() || !error.is_temporary() || !turn.lasts(clock.now()) {
            return Err(error);
        }
        turn.control.sleep(clock.as_ref(), LOOK_EVERY).await;
        match turn.control.requested() {
            // Of whom one waited for, this is the last that was known.
            Some(_) => Err(Error::new(ErrorKind::Busy, turn.told.clone()).with_source(error)),
            None => Ok(()),
        }
    }

    /// Waits a little after somebody else was first, where there is patience for it.
    pub(super) async fn is_to_be_tried_again(&self, turn: &mut Turn<'_>, error: &Error) -> bool {
        let clock = &self.parts.clock;
        let asked = turn.control.requested().is_some();
        if error.kind() != ErrorKind::Busy || asked || !turn.lasts(clock.now()) {
            return false;
        }
        self.tell_wait(turn, error);
        turn.control.sleep(clock.as_ref(), LOOK_EVERY).await;
        true
    }

    /// The end of a command whose turn never came: it was interrupted, or has waited as long as it was to.
    pub(super) async fn without_turn(&self, turn: &Turn<'_>, error: Error) -> Result<Finished> {
        let asked = turn.control.requested();
        let waited = turn.until.is_some() && !turn.told.is_empty();
        if error.kind() != ErrorKind::Busy || (asked.is_none() && !waited) {
            return Err(error);
        }
        let held = [error.to_string()];
        let (outcome, cause) = match asked {
            Some(kind) => {
                let outcome = self.policy.outcome(Ending::Aborted(kind));
                (outcome, Cause::new("interrupted while it waited; nothing was begun"))
            }
            None => (Outcome::TimedOut, Cause::new("gave up waiting for its turn").because(held)),
        };
        let serving = self.serving_now().await;
        Ok(self.end(Finished { serving, cause: Some(cause), ..Finished::new(outcome) }))
    }

    /// Tells, once of each owner, that only time shows whether it lives.
    fn tell_look(&self, turn: &mut Turn<'_>, journal: &Journal, open: &OpenDeployment) {
        let epoch = journal.state().epoch;
        if turn.looked.replace(epoch) != Some(epoch) {
            let (owner, most) = (&open.owner, journal.lease_ttl().as_secs());
            self.tell(turn, format!("looking whether {owner} still lives, up to {most} s"));
        }
    }

    fn tell_wait(&self, turn: &mut Turn<'_>, held: &Error) {
        self.tell(turn, held.to_string());
    }

    fn tell(&self, turn: &mut Turn<'_>, message: String) {
        if turn.told != message {
            turn.told.clone_from(&message);
            self.events.emit(Progress::Waiting { message });
        }
    }
}

/// Reads what is new in a journal. What cannot be read for a moment is read at the next look.
async fn look_again(journal: &mut Journal) -> Result<()> {
    match journal.refresh().await {
        Err(error) if !error.is_temporary() => Err(error),
        _ => Ok(()),
    }
}

impl<'a> Turn<'a> {
    /// A turn that is now or not at all.
    pub(super) fn at_once(control: &'a Control) -> Self {
        Self { control, until: None, told: String::new(), looked: None }
    }

    fn lasts(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

impl OpenDeployment {
    /// Whether it is paused and somebody may still answer.
    pub(super) fn waits_at(&self, now: Timestamp) -> bool {
        self.abort.is_none() && self.parked.as_ref().is_some_and(|parked| now < parked.until)
    }
}
