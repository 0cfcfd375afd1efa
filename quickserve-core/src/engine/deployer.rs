//! What an embedding program calls: deploy, roll back, resume, abort, take down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::begin::purpose_of;
use super::closed;
use super::control::Control;
use super::end::serving;
use super::events::Events;
use super::follow::Followed;
use super::parts::{Parts, Request};
use super::policy::{Ending, Policy, Standard};
use super::run::{Run, Stop};
use super::takeover::{aborted, too_late};
use super::turn::Turn;
use crate::clock::after;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Finished, Progress, Serving};
use crate::journal::{AbortKind, Act, Cause, Journal};
use crate::outcome::Outcome;
use crate::plan::{Goal, Plan, Purpose, Situation};
use crate::preflight::condemned;
use crate::release::ReleaseId;

/// How far an abort has come that cannot see what comes of it.
const RECORDED: &str = "the abort is recorded, and what comes of it cannot be seen";

/// Deploys one service. Each command is one call; what it has done is in the journal and on the platform,
/// nothing is kept here.
#[derive(Debug, Clone)]
pub struct Deployer {
    pub(super) parts: Parts,
    pub(super) policy: Arc<dyn Policy>,
    pub(super) events: Events,
    readers: Arc<AtomicU64>,
    pub(super) patience: Duration,
    lease: Option<Duration>,
}

impl Deployer {
    /// A deployer of these parts.
    pub fn new(parts: Parts) -> Self {
        Self::with_policy(parts, Arc::new(Standard))
    }

    pub(crate) fn with_policy(parts: Parts, policy: Arc<dyn Policy>) -> Self {
        let events = Events::new(parts.observer.clone(), parts.clock.clone());
        Self { parts, policy, events, readers: Arc::default(), patience: Duration::ZERO, lease: None }
    }

    /// How long [`deploy`](Self::deploy) waits for its turn while somebody holds the service or has locked it;
    /// not at all unless set. An owner that lives but does not renew its lease, because it is stopped, is taken
    /// over meanwhile.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long the service stays this deployer's when it shows no sign of life. Everybody who deploys the
    /// service sets the same.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    #[cfg(test)]
    pub(crate) fn parts_platform(&self) -> Arc<dyn crate::orchestrator::Orchestrator> {
        self.parts.platform.clone()
    }

    /// The journal as it is now, for reading.
    pub async fn journal(&self) -> Result<Journal> {
        let Parts { key, journals, clock, owner, .. } = &self.parts;
        // Each reader writes under a name of its own: a record that it left undecided is never taken for one
        // of the next.
        let reader = self.readers.fetch_add(1, Ordering::Relaxed);
        let nonce = format!("{}.{reader}", owner.nonce);
        let journal = Journal::read(journals.clone(), key, clock.clone(), nonce).await?;
        Ok(match self.lease {
            Some(lease) => journal.with_lease_ttl(lease),
            None => journal,
        })
    }

    /// What a deployment of this release would do, without doing anything: no step where it would change nothing.
    pub async fn plan(&self, request: &Request) -> Result<Plan> {
        let journal = self.journal().await?;
        let mut plan = self.steps(&journal, request).await?;
        let goal = Goal::Serve { release: request.release.id.clone(), tasks: request.tasks };
        if purpose_of(&journal, &request.release.id) == Purpose::Restore
            && self.is_deployed(&goal, &request.release).await?
        {
            plan.steps.clear();
        }
        Ok(plan)
    }

    /// The steps to a release, whether it serves already or not.
    async fn steps(&self, journal: &Journal, request: &Request) -> Result<Plan> {
        let mut observed = self.parts.platform.observe().await?;
        for task in observed.sets.values_mut().flat_map(|set| &mut set.tasks) {
            task.doomed |= journal.state().doomed.contains(&task.id);
        }
        let goal = Goal::Serve { release: request.release.id.clone(), tasks: request.tasks };
        let purpose = purpose_of(journal, &request.release.id);
        let mut config = request.config.clone();
        config.traffic = request.release.workload.endpoint.is_some();
        let capabilities = self.parts.platform.capabilities();
        let (observed, config) = (&observed, &config);
        self.policy.plan(&Situation { goal: &goal, purpose, observed, capabilities: &capabilities, config })
    }

    /// Deploys a release: it serves alone in the end, or what served before does.
    ///
    /// An unfinished deployment whose owner is gone is brought to an end first.
    ///
    /// # Errors
    /// Only when nothing was begun: the journal or the platform cannot be reached, or another owner holds the
    /// service or a person has locked it ([`ErrorKind::Busy`]; [`Outcome::TimedOut`] once that was waited for).
    /// What happens afterwards is told by [`Finished`].
    pub async fn deploy(&self, request: &Request, control: &Control) -> Result<Finished> {
        // What the platform cannot do is refused before anything is touched.
        self.steps(&self.journal().await?, request).await?;
        let mut turn = self.turn(control);
        loop {
            let error = match self.deploy_in(&mut turn, request, control).await {
                Err(error) => error,
                done => return done,
            };
            if !self.is_to_be_tried_again(&mut turn, &error).await {
                return self.without_turn(&turn, error).await;
            }
        }
    }

    async fn deploy_in(&self, turn: &mut Turn<'_>, request: &Request, control: &Control) -> Result<Finished> {
        let (mut journal, converged) = self.converge_first(Act::Deploy, turn, control).await?;
        match (converged, control.requested()) {
            (Some(finished), _) if journal.state().open.is_some() => return Ok(self.end(finished)),
            (Some(finished), Some(kind)) => return Ok(self.end(self.interrupted(finished, kind))),
            _ => {}
        }
        let id = &request.release.id;
        if let (Some(cause), false) = (journal.state().condemned.get(id), request.retry) {
            return Ok(self.end(self.refuse_condemned(id, cause).await));
        }
        let purpose = purpose_of(&journal, id);
        let goal = Goal::Serve { release: id.clone(), tasks: request.tasks };
        if purpose == Purpose::Restore && self.is_deployed(&goal, &request.release).await? {
            let mut finished = Finished::new(Outcome::Unchanged);
            finished.release = Some(id.clone());
            finished.serving = serving(&self.parts.platform.observe().await?);
            return Ok(self.end(finished));
        }
        let opened = self.opened(&journal, Act::Deploy, goal, purpose, Some(request));
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        if let Some(look) = &request.last_look
            && let Some(refused) = run.refuse(look.as_ref()).await
        {
            return Ok(self.end(refused));
        }
        Ok(self.end(run.deploy().await))
    }

    /// Goes back to the last good release, or to a named one that was promoted before.
    ///
    /// An unfinished deployment whose owner is gone is taken back, whatever it was for; without a name, that is
    /// all. One that was promoted is finished, and rolled back then. An unfinished rollback is finished.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy); [`ErrorKind::NotFound`] when there is nothing to go back to.
    pub async fn roll_back(&self, to: Option<ReleaseId>, control: &Control) -> Result<Finished> {
        let mut turn = Turn::at_once(control);
        let (mut journal, converged) = match self.converge_first(Act::Rollback, &mut turn, control).await {
            Ok(converged) => converged,
            Err(error) => return self.without_turn(&turn, error).await,
        };
        // One that was finished forward, because it was promoted, is now to be rolled back.
        let last = journal.state().deployments.last();
        let is_back =
            last.is_none_or(|last| last.act == Act::Rollback || last.outcome != Some(Outcome::Done));
        if let Some(finished) = converged
            && (to.is_none() && is_back
                || journal.state().open.is_some()
                || finished.outcome == Outcome::Stuck)
        {
            return Ok(self.end(aborted(finished)));
        }
        let state = journal.state();
        let target = match to {
            Some(release) if state.can_return_to(&release) => release,
            Some(release) if state.promoted.contains(&release) => {
                let message = format!("the images and secrets of {release:#} are not kept any more");
                let hint = "deploy its image again; keep_releases and keep_for in [deploy] say what is kept";
                return Err(Error::new(ErrorKind::NotFound, message).with_hint(hint));
            }
            Some(release) => {
                let message = format!("{release:#} was never promoted here");
                let hint = "quickserve history lists what was";
                return Err(Error::new(ErrorKind::NotFound, message).with_hint(hint));
            }
            None => self.policy.rollback_target(state).ok_or_else(|| {
                let message = "there is no good release from before to go back to";
                Error::new(ErrorKind::NotFound, message).with_hint("quickserve history lists what there was")
            })?,
        };
        let goal = Goal::Serve { release: target, tasks: state.tasks };
        let opened = self.opened(&journal, Act::Rollback, goal, Purpose::Restore, None);
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        Ok(self.end(run.deploy().await))
    }

    /// Finishes what an interrupted deployment left: forward where its time is not up and nothing failed,
    /// else back. One whose owner lives is followed to its end, and its outcome is this one's; one that is
    /// paused stays so.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub async fn resume(&self, control: &Control) -> Result<Finished> {
        self.accompany(self.journal().await?, control).await
    }

    /// With no deployment in flight: makes what was promoted last serve again where it does not.
    pub(super) async fn heal(&self, mut journal: Journal, control: &Control) -> Result<Finished> {
        let goal = journal.state().fallback_goal();
        let release = goal.release().and_then(|release| journal.state().releases.get(release)).cloned();
        if self.is_reached(&goal, release.as_ref()).await? {
            let mut finished = self.nothing_in_flight().await;
            if let Some(why) = self.closed(release.as_ref()).await {
                (finished.outcome, finished.cause) = (Outcome::Stuck, Some(closed::cause(None, why)));
            }
            return Ok(self.end(finished));
        }
        let opened = self.opened(&journal, Act::Resume, goal, Purpose::Restore, None);
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        Ok(self.end(run.deploy().await))
    }

    /// Takes the deployment in flight back: through its owner where that lives, else ourselves.
    ///
    /// Waits at most `patience` for a living owner. Where it came too late, the deployment is finished and the
    /// outcome is [`Outcome::Refused`].
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub async fn abort(&self, control: &Control, patience: Duration) -> Result<Finished> {
        let mut journal = self.journal().await?;
        let Some(open) = journal.state().open.clone() else {
            return Ok(self.end(self.nothing_in_flight().await));
        };
        let deployment = open.opened.deployment.clone();
        let unseen = if open.promoted { "what comes of it cannot be seen" } else { RECORDED };
        // First of all: whoever finishes the deployment from here on, takes it back.
        if !open.promoted && open.abort.is_none() {
            match journal.request(self.abort_request()).await {
                // Its owner has ended it meanwhile.
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    return Ok(self.end(self.nothing_in_flight().await));
                }
                asked => asked?,
            };
        }
        let because = match self.claim(&mut journal, &mut Turn::at_once(control)).await {
            Ok(None) => return Ok(self.end(self.nothing_in_flight().await)),
            Ok(Some(because)) => because,
            // The wish is recorded: from here on, nothing is refused any more.
            Err(error) if error.kind() == ErrorKind::Busy || error.is_temporary() => {
                let until = after(self.parts.clock.now(), patience);
                let followed = match self.follow(&mut journal, control, until).await {
                    Ok(followed) => followed,
                    Err(error) => return Ok(self.end(self.unseen(deployment, unseen, &error).await)),
                };
                match followed {
                    Followed::Ended(finished) => {
                        return Ok(self.end(aborted(too_late(*finished, open.opened.act))));
                    }
                    Followed::Left => {
                        let message = "its owner has not answered the abort yet";
                        return Ok(self.end(self.left(Some(deployment), message).await));
                    }
                    Followed::Parked => "it is paused".to_owned(),
                    Followed::Gone(because) => because,
                }
            }
            Err(error) => return Ok(self.end(self.unseen(deployment, unseen, &error).await)),
        };
        match self.insist_on_taking_over(&mut journal, because).await {
            Err(error) if error.kind() != ErrorKind::Busy => {
                return Ok(self.end(self.unseen(deployment, unseen, &error).await));
            }
            taken => taken?,
        }
        let promoted = journal.state().open.as_ref().is_some_and(|open| open.promoted);
        let mut run = self.run(journal, control)?;
        let finished = if promoted {
            too_late(run.deploy().await, open.opened.act)
        } else {
            aborted(run.take_back(Stop::Aborted(AbortKind::Asked)).await)
        };
        Ok(self.end(finished))
    }

    /// Removes everything of the service from the platform.
    ///
    /// An abort brings back what served, until the public port is about to be closed.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub async fn take_down(&self, drain_timeout: Duration, control: &Control) -> Result<Finished> {
        let mut turn = Turn::at_once(control);
        let (mut journal, converged) = match self.converge_first(Act::Down, &mut turn, control).await {
            Ok(converged) => converged,
            Err(error) => return self.without_turn(&turn, error).await,
        };
        match (converged, control.requested()) {
            (Some(finished), _) if journal.state().open.is_some() => return Ok(self.end(finished)),
            (Some(finished), Some(kind)) => return Ok(self.end(self.interrupted(finished, kind))),
            _ => {}
        }
        let mut opened = self.opened(&journal, Act::Down, Goal::Nothing, Purpose::Restore, None);
        opened.config.drain_timeout = drain_timeout;
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        Ok(self.end(run.deploy().await))
    }

    pub(super) fn run(&self, journal: Journal, control: &Control) -> Result<Run> {
        Run::new(self.parts.clone(), self.policy.clone(), journal, control.clone(), self.events.clone())
    }

    /// Tells the end, as the last event.
    pub(super) fn end(&self, finished: Finished) -> Finished {
        self.events.emit(Progress::Finished(Box::new(finished.clone())));
        finished
    }

    /// The end of a command that was interrupted while it brought another's deployment to an end.
    pub(super) fn interrupted(&self, converged: Finished, kind: AbortKind) -> Finished {
        if converged.outcome == Outcome::Stuck {
            return converged;
        }
        let outcome = self.policy.outcome(Ending::Aborted(kind));
        let before = converged.deployment.map(|other| format!("; {other} was brought to its end first"));
        let message = format!("interrupted before it began{}", before.unwrap_or_default());
        Finished { serving: converged.serving, cause: Some(Cause::new(message)), ..Finished::new(outcome) }
    }

    async fn refuse_condemned(&self, release: &ReleaseId, cause: &Cause) -> Finished {
        let mut finished = Finished::new(Outcome::Refused);
        finished.release = Some(release.clone());
        finished.findings.push(condemned(release, cause));
        finished.serving = self.serving_now().await;
        finished
    }

    pub(super) async fn nothing_in_flight(&self) -> Finished {
        let mut finished = Finished::new(Outcome::Unchanged);
        finished.serving = self.serving_now().await;
        finished
    }

    /// For a message: empty when the platform does not answer.
    pub(super) async fn serving_now(&self) -> Vec<Serving> {
        self.parts.platform.observe().await.map(|observed| serving(&observed)).unwrap_or_default()
    }
}
