//! Deployments of other owners: waited for, taken over, and brought to an end.

use super::control::Control;
use super::deployer::Deployer;
use super::end::ON_REQUEST;
use super::follow::Followed;
use super::run::{Import, Stop};
use super::turn::Turn;
use super::wait::Pace;
use crate::clock::after;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Finished, Progress};
use crate::journal::{AbortKind, Act, Cause, Event, Journal, OpenDeployment};
use crate::outcome::Outcome;
use crate::plan::Purpose;

/// How often a takeover is tried again that the store did not answer.
const ATTEMPTS: u32 = 5;

/// An abort has reached its own goal, what served before, when the deployment is taken back.
pub(super) fn aborted(finished: Finished) -> Finished {
    match finished.outcome {
        Outcome::RolledBack | Outcome::Interrupted | Outcome::Terminated => {
            let release = finished.serving.first().map(|serving| serving.release.clone());
            // Whoever asked for it needs no word of it; what failed before is worth one.
            let cause = finished.cause.filter(|cause| cause.message != ON_REQUEST);
            Finished {
                outcome: Outcome::Done,
                exit_code: Outcome::Done.exit_code(),
                release,
                cause,
                ..finished
            }
        }
        _ => finished,
    }
}

/// An abort of a deployment that came to its own goal all the same is refused: what it was to bring back does not
/// serve.
pub(super) fn too_late(finished: Finished, act: Act) -> Finished {
    if finished.outcome != Outcome::Done {
        return finished;
    }
    let (what, hint) = match act {
        Act::Deploy => ("the release was promoted", "quickserve rollback goes back to the one before it"),
        Act::Rollback => {
            ("the release was rolled back", "quickserve deploy --retry deploys the one before again")
        }
        Act::Scale => ("the number of tasks was changed", "quickserve scale changes it again"),
        Act::Restart => ("the tasks were replaced", "they are of the same release as before"),
        Act::Resume => ("what was promoted serves again", "quickserve rollback goes back further"),
        Act::Down => ("the service is removed", "quickserve deploy puts a release behind the port again"),
    };
    let cause = Cause {
        hint: Some(hint.to_owned()),
        ..Cause::new(format!("the abort came too late: {what}; nothing is taken back"))
    };
    let (outcome, exit_code) = (Outcome::Refused, Outcome::Refused.exit_code());
    Finished { outcome, exit_code, cause: Some(cause), ..finished }
}

impl Deployer {
    /// Brings an unfinished deployment to an end whose owner is gone: a release that was still to prove
    /// itself is taken back, anything else is finished.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when somebody holds the service, or has locked it and the act heeds that.
    pub(super) async fn converge_first(
        &self,
        act: Act,
        turn: &mut Turn<'_>,
        control: &Control,
    ) -> Result<(Journal, Option<Finished>)> {
        let mut journal = self.journal_in(turn).await?;
        if let Some(lock) = journal.state().lock().filter(|_| act.heeds_lock()) {
            return Err(lock.busy());
        }
        let parked = |journal: &Journal| {
            let open = journal.state().open.as_ref();
            open.is_some_and(|open| open.parked.is_some() && open.abort.is_none())
        };
        if act == Act::Rollback && parked(&journal) {
            journal.request(self.abort_request()).await?;
        }
        let claimed = self.claim(&mut journal, turn).await;
        let held = !parked(&journal);
        let claimed = claimed.map_err(|error| match error.kind() {
            // It alone can wait for its turn.
            ErrorKind::Busy if act == Act::Deploy && held => {
                error.with_hint("wait for it: deploy --wait; or take it back: quickserve abort")
            }
            _ => error,
        });
        let Some(because) = claimed? else { return Ok((journal, None)) };
        // Who wants to go back wants what another rollback, or a repair, was about to do.
        let back = |open: &OpenDeployment| {
            let forward = !matches!(open.opened.act, Act::Rollback | Act::Resume);
            forward && open.can_be_taken_back() && open.abort.is_none()
        };
        if act == Act::Rollback && journal.state().open.as_ref().is_some_and(back) {
            // Before it is taken over: if we die in between, whoever comes next takes it back.
            journal.request_of_nobody(self.abort_request()).await.map_err(late)?;
        }
        let unanswered = parked(&journal);
        let cause =
            if unanswered { "nobody answered its pause in time" } else { "interrupted: its owner was gone" };
        let cause = Cause::new(cause);
        self.take_over(&mut journal, because).await?;
        let Some(open) = journal.state().open.clone() else { return Ok((journal, None)) };
        let mut run = self.run(journal, control)?;
        let finished = if open.promoted {
            run.deploy().await
        } else if open.failed.is_some() || open.abort.is_some() {
            run.resume_back().await
        } else {
            match run.import().await {
                Err(stop) => run.lost_from(stop).await,
                Ok(Import::Past) => run.take_back(past_us()).await,
                Ok(Import::Nothing) if open.opened.purpose == Purpose::Prove => {
                    run.take_back(Stop::Failed { cause, condemns: false }).await
                }
                // What the platform has finished by itself is looked at, not undone.
                Ok(_) => run.deploy().await,
            }
        };
        Ok((run.journal, Some(finished)))
    }

    /// Follows the deployment in flight to its end while its owner lives, and finishes it when nobody does.
    pub(super) async fn accompany(&self, mut journal: Journal, control: &Control) -> Result<Finished> {
        let mut turn = Turn::at_once(control);
        let because = match self.claim(&mut journal, &mut turn).await {
            Ok(None) => return self.heal(journal, control).await,
            Ok(Some(because)) => because,
            Err(error) if control.requested().is_some() => return self.without_turn(&turn, error).await,
            Err(error) if error.kind() == ErrorKind::Busy => {
                let Some(open) = journal.state().open.clone() else { return Err(error) };
                // There, back, and what is drained between them.
                let until = after(self.parts.clock.now(), open.opened.config.timeout.saturating_mul(3));
                match self.follow(&mut journal, control, until).await? {
                    Followed::Ended(finished) => return Ok(self.end(*finished)),
                    Followed::Gone(because) => because,
                    Followed::Parked => {
                        let open = journal.state().open.clone().unwrap_or(open);
                        return Ok(self.end(self.paused(&open, Outcome::Paused).await));
                    }
                    Followed::Left => {
                        let message = "not followed any longer; the deployment goes on";
                        let left = self.left(Some(open.opened.deployment), message).await;
                        return Ok(self.end(left));
                    }
                }
            }
            Err(error) => return Err(error),
        };
        let parked = journal.state().open.as_ref().is_some_and(|open| open.parked.is_some());
        self.take_over(&mut journal, because).await?;
        if parked && journal.state().open.as_ref().is_some_and(|open| open.abort.is_none()) {
            let cause = Cause::new("nobody answered its pause in time");
            let mut run = self.run(journal, control)?;
            return Ok(self.end(run.take_back(Stop::Failed { cause, condemns: false }).await));
        }
        self.go_on(journal, control).await
    }

    /// Finishes a deployment that was taken over: forward where its time is not up and nothing failed, else
    /// back.
    pub(super) async fn go_on(&self, journal: Journal, control: &Control) -> Result<Finished> {
        let Some(open) = journal.state().open.clone() else {
            return Ok(self.end(self.nothing_in_flight().await));
        };
        let late = open.plan.as_ref().is_some_and(|(_, deadline)| self.parts.clock.now() >= *deadline);
        let mut run = self.run(journal, control)?;
        let finished = if open.promoted {
            run.deploy().await
        } else if open.abort.is_some() {
            // Somebody wanted it taken back, and it is: that is what this command was to finish.
            aborted(run.resume_back().await)
        } else if open.failed.is_some() {
            run.resume_back().await
        } else if open.plan.is_none() && open.opened.act == Act::Deploy {
            let cause = Cause::new("interrupted before its last look, which only its owner could take");
            run.take_back(Stop::Failed { cause, condemns: false }).await
        } else {
            match run.import().await {
                Err(stop) => run.lost_from(stop).await,
                Ok(Import::Past) => run.take_back(past_us()).await,
                Ok(Import::Nothing) if late && open.opened.purpose == Purpose::Prove => {
                    let cause = Cause::new("its deadline passed while nobody worked on it");
                    run.take_back(Stop::Failed { cause, condemns: false }).await
                }
                // The platform may have finished it by itself, in time for all that is known.
                Ok(_) => run.deploy().await,
            }
        };
        Ok(self.end(finished))
    }

    pub(super) fn abort_request(&self) -> Event {
        Event::AbortRequested { by: self.parts.owner.who.clone(), how: AbortKind::Asked }
    }

    pub(super) async fn take_over(&self, journal: &mut Journal, because: String) -> Result<()> {
        if let Some(open) = &journal.state().open {
            let deployment = open.opened.deployment.clone();
            self.events.emit(Progress::Recovering { deployment, because: because.clone() });
        }
        self.succeed(journal, because).await
    }

    /// Takes over for a wish that is recorded already: a store that does not answer for a moment is asked again,
    /// as long as nobody else was first.
    pub(super) async fn insist_on_taking_over(&self, journal: &mut Journal, because: String) -> Result<()> {
        let ended = journal.state().epoch;
        let mut pace = Pace::RETRY;
        let mut taken = self.take_over(journal, because.clone()).await;
        for _ in 0..ATTEMPTS {
            let ours = journal.state().open.as_ref().is_some_and(|open| open.owner == self.parts.owner);
            match &taken {
                Err(error) if error.is_temporary() && (ours || journal.state().epoch == ended) => {}
                _ => break,
            }
            self.parts.clock.sleep(pace.next()).await;
            taken = self.succeed(journal, because.clone()).await;
        }
        taken
    }

    /// Becomes the owner, without a word.
    pub(super) async fn succeed(&self, journal: &mut Journal, because: String) -> Result<()> {
        match journal.take_over(self.parts.owner.clone(), because).await {
            Err(error) => Err(late(error)),
            Ok(_) => Ok(()),
        }
    }
}

/// What it means when a deployment is not any more as it was read.
fn late(error: Error) -> Error {
    if error.kind() != ErrorKind::Conflict {
        return error;
    }
    let message = "somebody else was first to take the deployment over, or to end it";
    Error::new(ErrorKind::Busy, message).with_hint("run the command again").with_source(error)
}

/// The end of a rollout that somebody else has let through.
fn past_us() -> Stop {
    let cause = Cause::new("the platform finished it past a gate that was not answered here");
    Stop::Failed { cause, condemns: false }
}

impl OpenDeployment {
    /// Whether it goes forward still, so that a wish to take it back says something new and is not too late.
    pub(super) fn can_be_taken_back(&self) -> bool {
        !self.promoted && self.failed.is_none()
    }
}
