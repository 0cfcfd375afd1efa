//! Pausing a deployment, and letting a paused one go on.
//!
//! Its owner stops before the next step that changes where requests go, and lets go: what was done stays, nobody
//! judges it, and any machine may answer. A pause stops the deployment's deadline and has one of its own.

use std::time::Duration;

use super::control::Control;
use super::deployer::Deployer;
use super::follow::Followed;
use super::run::{Run, Stop};
use crate::clock::{after, between};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Finished, Progress};
use crate::journal::{Cause, Event, OpenDeployment, Parked};
use crate::outcome::Outcome;
use crate::plan::{Purpose, Step};
use crate::traffic::Role;

/// How long a paused deployment waits for an answer. ECS doc, "Lifecycle hooks": a hook that pauses waits 24 h.
const PATIENCE: Duration = Duration::from_hours(24);

impl Step {
    /// Whether it changes which release ordinary requests reach, or which is held to be good: what a pause
    /// comes before. A look at a staged release over the preview is no such change.
    fn commits(&self) -> bool {
        match self {
            Self::Shift { shares } => shares.iter().all(|share| share.role != Role::Preview),
            // One with gates ends at the first, before any request moves.
            Self::RollOut { gates, .. } => gates.is_empty(),
            Self::Promote { .. } | Self::Pass { .. } => true,
            _ => false,
        }
    }
}

impl Run {
    /// Stops before a step that somebody wants to be asked about.
    pub(crate) async fn hold(&mut self, step: &Step) -> Result<(), Stop> {
        if !self.abortable || self.opened.purpose != Purpose::Prove || !step.commits() {
            return Ok(());
        }
        self.listen().await?;
        if self.control.take_pause() {
            let by = self.parts.owner.who.clone();
            self.record(Event::PauseRequested { by }).await?;
        }
        if self.journal.state().open.as_ref().is_none_or(|open| open.pause.is_none()) {
            return Ok(());
        }
        let now = self.clock.now();
        let patience = match step {
            // No longer than the platform waits there.
            Step::Pass { .. } => self.opened.config.timeout.min(PATIENCE),
            _ => PATIENCE,
        };
        let (left, until) = (between(now, self.deadline), after(now, patience));
        if !self.journal.park(step, left, until).await.map_err(Stop::Lost)? {
            return self.heed().await;
        }
        Err(Stop::Parked)
    }
}

impl Run {
    /// The end of an owner that has let go.
    pub(super) async fn parked(&mut self) -> Finished {
        let open = self.journal.state().open.as_ref();
        let cause = open.and_then(|open| open.parked.as_ref()).map(Parked::cause);
        self.finish(Outcome::Paused, cause).await
    }
}

impl Parked {
    /// What a person should know of it.
    pub(super) fn cause(&self) -> Cause {
        Cause {
            hint: Some(format!(
                "quickserve promote lets it go on, quickserve abort takes it back; so does the next command \
                 after {}",
                self.until.strftime("%Y-%m-%d %H:%M:%SZ")
            )),
            ..Cause::new(format!("{self}; nobody judges it meanwhile"))
        }
    }
}

impl Deployer {
    /// Asks the deployment in flight to stop before it changes traffic again, and waits at most `patience`
    /// until it has. What it is then waits for [`promote`](Self::promote) or [`abort`](Self::abort).
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it cannot be paused: it goes back, or its release is promoted already, or
    /// nobody works on it any more. Otherwise as [`deploy`](Self::deploy).
    pub async fn pause(&self, control: &Control, patience: Duration) -> Result<Finished> {
        let mut journal = self.journal().await?;
        let Some(open) = journal.state().open.clone() else {
            return Ok(self.end(self.nothing_in_flight().await));
        };
        if open.parked.is_some() {
            let paused = self.paused(&open, Outcome::Unchanged).await;
            return Ok(self.end(Finished { cause: None, ..paused }));
        }
        if !open.can_pause() {
            let message = format!("{} has nothing left that could wait", open.opened.deployment);
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("it ends by itself; quickserve resume follows it to its end"));
        }
        if open.pause.is_none() {
            journal.request(Event::PauseRequested { by: self.parts.owner.who.clone() }).await?;
        }
        let asked = Progress::PauseAsked { deployment: open.opened.deployment.clone() };
        self.events.emit(asked);
        let until = after(self.parts.clock.now(), patience);
        let deployment = Some(open.opened.deployment.clone());
        let followed = match self.follow(&mut journal, control, until).await {
            Ok(followed) => followed,
            Err(error) => {
                let message = "it was asked to pause, and what comes of it cannot be seen";
                return Ok(self.end(self.unseen(open.opened.deployment, message, &error).await));
            }
        };
        let finished = match followed {
            Followed::Ended(mut finished) => {
                if finished.outcome == Outcome::Done {
                    finished.cause = Some(Cause::new("the pause came too late: the release was promoted"));
                }
                *finished
            }
            // What it waits for, the journal says.
            Followed::Parked => Finished { cause: None, ..self.paused(&open, Outcome::Done).await },
            Followed::Gone(because) => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("nobody works on it any more: {because}"),
                )
                .with_hint("quickserve resume finishes it, quickserve abort takes it back"));
            }
            Followed::Left => self.left(deployment, "it was asked to pause and has not yet").await,
        };
        Ok(self.end(finished))
    }

    /// Lets a paused deployment go on, here, to its end; one that was asked to pause and has not yet is told
    /// to go on and followed.
    ///
    /// Its gates apply anew: nobody has looked meanwhile.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub async fn promote(&self, control: &Control) -> Result<Finished> {
        let mut journal = self.journal().await?;
        let mut open = journal.state().open.clone();
        if open.as_ref().is_some_and(|open| open.pause.is_some()) {
            journal.request(Event::PromoteRequested { by: self.parts.owner.who.clone() }).await?;
            // It may have stopped before it heard.
            open.clone_from(&journal.state().open);
            if open.as_ref().is_some_and(|open| open.parked.is_none()) {
                return self.accompany(journal, control).await;
            }
        }
        let Some(open) = open else {
            return Ok(self.end(self.nothing_in_flight().await));
        };
        if let Some(parked) = open.parked.as_ref().filter(|_| open.abort.is_none()) {
            let because = format!("promoted by {}; {parked}", self.parts.owner.who);
            self.succeed(&mut journal, because).await?;
            return self.go_on(journal, control).await;
        }
        let message = format!("{} is not paused", open.opened.deployment);
        let finished = Finished {
            deployment: Some(open.opened.deployment),
            cause: Some(Cause::new(message)),
            ..self.nothing_in_flight().await
        };
        Ok(self.end(finished))
    }

    /// The end of a command that leaves a deployment paused.
    pub(super) async fn paused(&self, open: &OpenDeployment, outcome: Outcome) -> Finished {
        Finished {
            deployment: Some(open.opened.deployment.clone()),
            release: open.opened.goal.release().cloned(),
            cause: open.parked.as_ref().map(Parked::cause),
            serving: self.serving_now().await,
            ..Finished::new(outcome)
        }
    }
}
