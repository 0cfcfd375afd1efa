//! The everyday acts on what serves: another number of tasks, fresh tasks, a command beside them.

use super::control::Control;
use super::deployer::Deployer;
use super::turn::Turn;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Finished;
use crate::fence::Epoch;
use crate::journal::{Act, CommandBegan, CommandPlace, Event, Journal};
use crate::outcome::Outcome;
use crate::plan::{Goal, Purpose, Situation};
use crate::release::{Release, ReleaseId};

impl Deployer {
    /// Gives the release that serves another number of tasks. Without any, requests are answered 503.
    ///
    /// Deployments keep the number until the configuration asks for another.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy); [`ErrorKind::Conflict`] when nothing was promoted, or something else is
    /// there beside it; [`ErrorKind::Unsupported`] when the platform does not have so many.
    pub async fn scale(&self, tasks: u32, control: &Control) -> Result<Finished> {
        let mut turn = Turn::at_once(control);
        let (mut journal, converged) = match self.converge_first(Act::Scale, &mut turn, control).await {
            Ok(converged) => converged,
            Err(error) => return self.without_turn(&turn, error).await,
        };
        if let Some(finished) = self.is_left(&journal, converged, control) {
            return Ok(self.end(finished));
        }
        let release = self.current(&journal).await?;
        let goal = Goal::Serve { release: release.id.clone(), tasks };
        self.check(&journal, &goal, Purpose::Restore, &release).await?;
        if journal.state().tasks == tasks && self.is_reached(&goal, Some(&release)).await? {
            return Ok(self.end(self.unchanged(release.id).await));
        }
        let opened = self.opened(&journal, Act::Scale, goal, Purpose::Restore, None);
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        Ok(self.end(run.deploy().await))
    }

    /// Replaces the tasks of the release that serves by fresh ones, within the bounds of a rolling deployment;
    /// one that is deployed by `recreate` is stopped first.
    ///
    /// # Errors
    /// As [`scale`](Self::scale).
    pub async fn restart(&self, control: &Control) -> Result<Finished> {
        let mut turn = Turn::at_once(control);
        let (mut journal, converged) = match self.converge_first(Act::Restart, &mut turn, control).await {
            Ok(converged) => converged,
            Err(error) => return self.without_turn(&turn, error).await,
        };
        if let Some(finished) = self.is_left(&journal, converged, control) {
            return Ok(self.end(finished));
        }
        let release = self.current(&journal).await?;
        let tasks = journal.state().tasks;
        if tasks == 0 {
            return Ok(self.end(self.unchanged(release.id).await));
        }
        let goal = Goal::Serve { release: release.id.clone(), tasks };
        // Whatever is there was placed in an epoch that the journal knows; ours will be a later one.
        let purpose = Purpose::Renew { since: Epoch(journal.state().epoch.0 + 1) };
        self.check(&journal, &goal, purpose, &release).await?;
        let opened = self.opened(&journal, Act::Restart, goal, purpose, None);
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        Ok(self.end(run.deploy().await))
    }

    /// The release that serves, for a command beside it.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when nothing was promoted.
    pub async fn serving_release(&self) -> Result<Release> {
        let journal = self.journal().await?;
        let known = journal.state().current().and_then(|id| journal.state().releases.get(id)).cloned();
        known.ok_or_else(nothing_promoted)
    }

    /// Records that a command begins in or beside a task, and answers the record's number. Only the first word
    /// of the command is kept.
    ///
    /// # Errors
    /// When the journal cannot be written: then the command must not run.
    pub async fn begin_command(
        &self,
        place: CommandPlace,
        release: &ReleaseId,
        container: &str,
        command: &[String],
    ) -> Result<u64> {
        let began = CommandBegan {
            place,
            release: release.clone(),
            container: container.to_owned(),
            program: command.first().cloned().unwrap_or_default(),
            by: self.parts.owner.who.clone(),
        };
        self.journal().await?.note(Event::CommandBegan(began)).await
    }

    /// Records that a command has ended.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn end_command(&self, began: u64, exit_code: Option<i64>) -> Result<()> {
        self.journal().await?.note(Event::CommandEnded { began, exit_code }).await.map(drop)
    }

    /// What was brought to its end first is the end, where it is no ground to go on from.
    fn is_left(&self, journal: &Journal, converged: Option<Finished>, control: &Control) -> Option<Finished> {
        let finished = converged?;
        match control.requested() {
            _ if journal.state().open.is_some() || finished.outcome == Outcome::Stuck => Some(finished),
            Some(kind) => Some(self.interrupted(finished, kind)),
            None => None,
        }
    }

    /// The promoted release, where it alone exists.
    async fn current(&self, journal: &Journal) -> Result<Release> {
        let state = journal.state();
        let current = state.current().and_then(|id| state.releases.get(id)).ok_or_else(nothing_promoted)?;
        let observed = self.parts.platform.observe().await?;
        let other = observed.sets.iter().find(|(other, set)| **other != current.id && !set.tasks.is_empty());
        match other {
            None => Ok(current.clone()),
            Some((other, _)) => {
                let message = format!("tasks of {other:#} are there beside {:#}", current.id);
                let hint = "quickserve resume brings back what was promoted";
                Err(Error::new(ErrorKind::Conflict, message).with_hint(hint))
            }
        }
    }

    /// Refuses what cannot be planned, before anything is opened.
    async fn check(&self, journal: &Journal, goal: &Goal, purpose: Purpose, release: &Release) -> Result<()> {
        let observed = self.parts.platform.observe().await?;
        let mut config = journal.state().config.clone().unwrap_or_default();
        config.traffic = release.workload.endpoint.is_some();
        let capabilities = self.parts.platform.capabilities();
        let (observed, config, capabilities) = (&observed, &config, &capabilities);
        self.policy.plan(&Situation { goal, purpose, observed, capabilities, config }).map(drop)
    }

    async fn unchanged(&self, release: ReleaseId) -> Finished {
        let serving = self.serving_now().await;
        Finished { release: Some(release), serving, ..Finished::new(Outcome::Unchanged) }
    }
}

fn nothing_promoted() -> Error {
    Error::new(ErrorKind::Conflict, "nothing serves: no release was promoted here")
        .with_hint("quickserve deploy puts one behind the port")
}
