//! What an embedding program calls: deploy, roll back, resume, abort, take down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::ObjectStore;

use super::control::Control;
use super::policy::{Ending, Policy, Standard};
use super::run::{Events, Run, Stop, serving};
use super::vitals::Vitals;
use super::wait::Pace;
use crate::clock::{Clock, after};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Finished, Observer, Progress};
use crate::finding::{Code, Finding};
use crate::health::HealthProber;
use crate::journal::{
    AbortKind, Act, Cause, Event, Journal, Liveness, Opened, Owner, OwnerStatus, OwnerWatch, busy,
};
use crate::orchestrator::{Health, Orchestrator, TaskPhase, TaskState};
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, Goal, Plan, Purpose, Situation};
use crate::release::{Release, ReleaseId};
use crate::service::ServiceKey;

/// What a [`Deployer`] is made of. All of it comes from the caller: the library reads no environment.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Which service.
    pub key: ServiceKey,
    /// Where it runs.
    pub platform: Arc<dyn Orchestrator>,
    /// Asks tasks whether they are well.
    pub prober: Arc<dyn HealthProber>,
    /// Where journals are kept.
    pub journals: Arc<dyn ObjectStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
    /// Whether other owners' processes live.
    pub liveness: Arc<dyn Liveness>,
    /// Who we are. Its nonce must be new for every [`Deployer`].
    pub owner: Owner,
    /// Where the service's requests come in, if any do.
    pub public: Option<SocketAddr>,
}

/// What shall be deployed, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// The release.
    pub release: Release,
    /// How many tasks.
    pub tasks: u32,
    /// How it goes.
    pub config: DeploymentConfig,
    /// Deploy it although it was condemned.
    pub retry: bool,
}

/// Deploys one service. Each command is one call; what it has done is in the journal and on the platform,
/// nothing is kept here.
#[derive(Debug, Clone)]
pub struct Deployer {
    parts: Parts,
    policy: Arc<dyn Policy>,
    events: Events,
    readers: Arc<AtomicU64>,
    patience: Duration,
}

impl Deployer {
    /// A deployer of these parts.
    pub fn new(parts: Parts) -> Self {
        Self::with_policy(parts, Arc::new(Standard))
    }

    pub(crate) fn with_policy(parts: Parts, policy: Arc<dyn Policy>) -> Self {
        let events = Events::new(parts.observer.clone(), parts.clock.clone());
        Self { parts, policy, events, readers: Arc::default(), patience: Duration::ZERO }
    }

    /// Waits so long for a living owner to end before it gives up with [`ErrorKind::Busy`]. One that lives but
    /// does not renew its lease, because it is stopped, is taken over meanwhile. Not at all unless set.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    #[cfg(test)]
    pub(crate) fn parts_platform(&self) -> Arc<dyn Orchestrator> {
        self.parts.platform.clone()
    }

    /// The journal as it is now, for reading.
    pub async fn journal(&self) -> Result<Journal> {
        let Parts { key, journals, clock, owner, .. } = &self.parts;
        // Each reader writes under a name of its own: a record that it left undecided is never taken for one
        // of the next.
        let reader = self.readers.fetch_add(1, Ordering::Relaxed);
        let nonce = format!("{}.{reader}", owner.nonce);
        Journal::read(journals.clone(), key, clock.clone(), nonce).await
    }

    /// What a deployment of this release would do, without doing anything.
    pub async fn plan(&self, request: &Request) -> Result<Plan> {
        let journal = self.journal().await?;
        let mut observed = self.parts.platform.observe().await?;
        for task in observed.sets.values_mut().flat_map(|set| &mut set.tasks) {
            task.doomed |= journal.state().doomed.contains(&task.id);
        }
        let goal = Goal::Serve { release: request.release.id.clone(), tasks: request.tasks };
        let purpose = purpose_of(&journal, &request.release.id);
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
    /// service ([`ErrorKind::Busy`]). What happens afterwards is told by [`Finished`].
    pub async fn deploy(&self, request: &Request, control: &Control) -> Result<Finished> {
        // What the platform cannot do is refused before anything is touched.
        self.plan(request).await?;
        let (mut journal, converged) = self.converge_first(control).await?;
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
        if purpose == Purpose::Restore && self.is_reached(&goal, Some(&request.release)).await? {
            let mut finished = Finished::new(Outcome::Unchanged);
            finished.release = Some(id.clone());
            finished.serving = serving(&self.parts.platform.observe().await?);
            return Ok(self.end(finished));
        }
        let opened = self.opened(&journal, Act::Deploy, goal, purpose, Some(request));
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        Ok(self.end(run.deploy().await))
    }

    /// Goes back to the last good release, or to a named one that was promoted before.
    ///
    /// An unfinished deployment whose owner is gone is taken back; without a name, that is all. One that was
    /// promoted is finished, and rolled back then.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy); [`ErrorKind::NotFound`] when there is nothing to go back to.
    pub async fn roll_back(&self, to: Option<ReleaseId>, control: &Control) -> Result<Finished> {
        let (mut journal, converged) = self.converge_first(control).await?;
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
            Some(release) if state.promoted.contains(&release) => release,
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
    /// else back.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub async fn resume(&self, control: &Control) -> Result<Finished> {
        let mut journal = self.journal().await?;
        let Some(because) = self.claim(&mut journal).await? else {
            return self.heal(journal, control).await;
        };
        self.take_over(&mut journal, because).await?;
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
        } else if late && open.opened.purpose == Purpose::Prove {
            let cause = Cause::new("its deadline passed while nobody worked on it");
            run.take_back(Stop::Failed { cause, condemns: false }).await
        } else {
            run.deploy().await
        };
        Ok(self.end(finished))
    }

    /// With no deployment in flight: makes what was promoted last serve again where it does not.
    async fn heal(&self, mut journal: Journal, control: &Control) -> Result<Finished> {
        let goal = journal.state().fallback_goal();
        let release = goal.release().and_then(|release| journal.state().releases.get(release)).cloned();
        if self.is_reached(&goal, release.as_ref()).await? {
            return Ok(self.end(self.nothing_in_flight().await));
        }
        let opened = self.opened(&journal, Act::Resume, goal, Purpose::Restore, None);
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        Ok(self.end(run.deploy().await))
    }

    /// Takes the deployment in flight back: through its owner where that lives, else ourselves.
    ///
    /// Waits at most `patience` for a living owner.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub async fn abort(&self, control: &Control, patience: Duration) -> Result<Finished> {
        let mut journal = self.journal().await?;
        let because = match self.claim(&mut journal).await {
            Ok(None) => return Ok(self.end(self.nothing_in_flight().await)),
            Ok(Some(because)) => because,
            Err(error) if error.kind() == ErrorKind::Busy => {
                match journal.request(self.abort_request()).await {
                    Ok(_) => {}
                    // Its owner has ended it meanwhile.
                    Err(error) if error.kind() == ErrorKind::Conflict => {
                        return Ok(self.end(self.nothing_in_flight().await));
                    }
                    Err(error) => return Err(error),
                }
                match self.wait_for_owner(&mut journal, control, patience).await? {
                    Waited::Ended(finished) => return Ok(self.end(*finished)),
                    Waited::Gone(because) => because,
                }
            }
            Err(error) => return Err(error),
        };
        self.take_over(&mut journal, because).await?;
        let open = journal.state().open.clone();
        let promoted = open.as_ref().is_some_and(|open| open.promoted);
        if !promoted && open.is_some_and(|open| open.abort.is_none()) {
            journal.append(self.abort_request()).await?;
        }
        let mut run = self.run(journal, control)?;
        let finished = if promoted {
            Finished { cause: Some(too_late()), ..run.deploy().await }
        } else {
            aborted(run.take_back(Stop::Aborted(AbortKind::Asked)).await)
        };
        Ok(self.end(finished))
    }

    /// Removes everything of the service from the platform.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy).
    pub async fn take_down(&self, drain_timeout: Duration, control: &Control) -> Result<Finished> {
        let (mut journal, converged) = self.converge_first(control).await?;
        if let Some(finished) = converged
            && journal.state().open.is_some()
        {
            return Ok(self.end(finished));
        }
        let mut opened = self.opened(&journal, Act::Down, Goal::Nothing, Purpose::Restore, None);
        opened.config.drain_timeout = drain_timeout;
        journal.open(opened).await?;
        let mut run = self.run(journal, control)?;
        Ok(self.end(run.deploy().await))
    }
}

/// A release that is promoted and serves already has nothing to prove.
fn purpose_of(journal: &Journal, release: &ReleaseId) -> Purpose {
    let current = journal.state().current() == Some(release) && journal.state().open.is_none();
    if current { Purpose::Restore } else { Purpose::Prove }
}

/// An abort has reached its own goal, what served before, when the deployment is taken back.
fn aborted(finished: Finished) -> Finished {
    match finished.outcome {
        Outcome::RolledBack | Outcome::Interrupted | Outcome::Terminated => {
            let release = finished.serving.first().map(|serving| serving.release.clone());
            Finished { outcome: Outcome::Done, exit_code: Outcome::Done.exit_code(), release, ..finished }
        }
        _ => finished,
    }
}

/// What came of waiting for the owner of a deployment.
enum Waited {
    /// The deployment has ended, or patience has.
    Ended(Box<Finished>),
    /// The owner is gone, and this is how that is known.
    Gone(String),
}

fn too_late() -> Cause {
    Cause::new("the abort came too late: the release was promoted")
}

impl Deployer {
    fn run(&self, journal: Journal, control: &Control) -> Result<Run> {
        Run::new(self.parts.clone(), self.policy.clone(), journal, control.clone(), self.events.clone())
    }

    /// Tells the end, as the last event.
    fn end(&self, finished: Finished) -> Finished {
        self.events.emit(Progress::Finished(Box::new(finished.clone())));
        finished
    }

    fn opened(
        &self,
        journal: &Journal,
        act: Act,
        goal: Goal,
        purpose: Purpose,
        request: Option<&Request>,
    ) -> Opened {
        let state = journal.state();
        let day = self.parts.clock.now().strftime("%Y%m%d").to_string();
        let deployment = super::begin::deployment_id(&day, state.deployments.len() + 1);
        let release = match (&request, goal.release()) {
            (Some(request), _) => Some(request.release.clone()),
            (None, Some(release)) => state.releases.get(release).cloned(),
            (None, None) => None,
        };
        let config = match request {
            Some(request) => request.config.clone(),
            None => state.config.clone().unwrap_or_default(),
        };
        Opened {
            deployment,
            act,
            owner: self.parts.owner.clone(),
            needs: super::begin::NEEDS.to_owned(),
            goal,
            purpose,
            release,
            fallback: state.current().cloned(),
            config,
        }
    }

    /// Whether a goal is reached already: in full, as far as one look at each task shows well, and with
    /// nothing else there.
    async fn is_reached(&self, goal: &Goal, release: Option<&Release>) -> Result<bool> {
        let observed = self.parts.platform.observe().await?;
        let tasks = match goal {
            Goal::Serve { tasks, .. } => *tasks as usize,
            Goal::Nothing => 0,
        };
        let wanted = |other: &ReleaseId| goal.release() == Some(other);
        let alone = observed.sets.iter().all(|(other, set)| wanted(other) || set.tasks.is_empty());
        let Some(release) = release else { return Ok(alone && observed.split.routes.is_empty()) };
        let mut set = observed.set(&release.id);
        let mut vitals = Vitals::new(self.parts.prober.clone());
        vitals.examine(&mut set, &release.workload, self.parts.clock.now()).await?;
        let well = |task: &&TaskState| {
            task.phase == TaskPhase::Running
                && !matches!(task.health, Health::Unhealthy(_))
                && vitals.last_failure(&task.id).is_none()
        };
        let reachable = |task: &&TaskState| observed.split.references(&task.id);
        let routed = match &release.workload.endpoint {
            None => true,
            Some(_) => observed.split.routes.len() == 1 && set.live().filter(reachable).count() == tasks,
        };
        Ok(alone && routed && set.tasks.len() == tasks && set.live().filter(well).count() == tasks)
    }

    /// The end of a command that was interrupted while it brought another's deployment to an end.
    fn interrupted(&self, converged: Finished, kind: AbortKind) -> Finished {
        if converged.outcome == Outcome::Stuck {
            return converged;
        }
        let outcome = self.policy.outcome(Ending::Aborted(kind));
        let before = converged.deployment.map(|other| format!("; {other} was brought to its end first"));
        let message = format!("interrupted before it began{}", before.unwrap_or_default());
        Finished { serving: converged.serving, cause: Some(Cause::new(message)), ..Finished::new(outcome) }
    }

    async fn refuse_condemned(&self, release: &ReleaseId, cause: &Cause) -> Finished {
        let message = format!("{release:#} was rolled back before: {}", cause.message);
        let finding = Finding::error(Code::CONDEMNED_RELEASE, message)
            .with_hint("mend what failed and build anew; the same release needs --retry");
        let mut finished = Finished::new(Outcome::Refused);
        finished.release = Some(release.clone());
        finished.findings.push(finding);
        finished.serving = self.serving_now().await;
        finished
    }

    async fn nothing_in_flight(&self) -> Finished {
        let mut finished = Finished::new(Outcome::Unchanged);
        finished.serving = self.serving_now().await;
        finished
    }

    /// For a message: empty when the platform does not answer.
    async fn serving_now(&self) -> Vec<crate::event::Serving> {
        self.parts.platform.observe().await.map(|observed| serving(&observed)).unwrap_or_default()
    }

    /// Brings an unfinished deployment to an end whose owner is gone: a release that was still to prove
    /// itself is taken back, anything else is finished.
    async fn converge_first(&self, control: &Control) -> Result<(Journal, Option<Finished>)> {
        let mut journal = self.journal().await?;
        let Some(because) = self.claim(&mut journal).await? else { return Ok((journal, None)) };
        self.take_over(&mut journal, because).await?;
        let Some(open) = journal.state().open.clone() else { return Ok((journal, None)) };
        let mut run = self.run(journal, control)?;
        let finished = if open.promoted {
            run.deploy().await
        } else if open.failed.is_some() || open.abort.is_some() {
            run.resume_back().await
        } else if open.opened.purpose == Purpose::Prove {
            let cause = Cause::new("interrupted: its owner was gone");
            run.take_back(Stop::Failed { cause, condemns: false }).await
        } else {
            run.deploy().await
        };
        Ok((run.journal, Some(finished)))
    }

    fn abort_request(&self) -> Event {
        Event::AbortRequested { by: self.parts.owner.who.clone(), how: AbortKind::Asked }
    }

    /// Waits until a living owner has ended its deployment, or turns out to be gone.
    async fn wait_for_owner(
        &self,
        journal: &mut Journal,
        control: &Control,
        patience: Duration,
    ) -> Result<Waited> {
        let clock = &self.parts.clock;
        let mut watch = OwnerWatch::new(self.parts.liveness.clone(), clock.clone());
        let until = after(clock.now(), patience);
        let mut pace = Pace::STEADY;
        let deployment = journal.state().open.as_ref().map(|open| open.opened.deployment.clone());
        while journal.state().open.as_ref().map(|open| &open.opened.deployment) == deployment.as_ref() {
            if let OwnerStatus::Gone { because } = watch.observe(journal).await? {
                return Ok(Waited::Gone(because));
            }
            if clock.now() >= until || control.requested().is_some() {
                let mut finished = Finished::new(Outcome::TimedOut);
                finished.deployment = deployment;
                finished.cause = Some(Cause::new("its owner has not answered the abort yet"));
                finished.serving = self.serving_now().await;
                return Ok(Waited::Ended(Box::new(finished)));
            }
            control.sleep(clock.as_ref(), pace.next()).await;
            match journal.refresh().await {
                Err(error) if !error.is_temporary() => return Err(error),
                _ => {}
            }
        }
        let deployments = &journal.state().deployments;
        let summary = deployments.iter().find(|summary| Some(&summary.deployment) == deployment.as_ref());
        let outcome = summary.and_then(|summary| summary.outcome).unwrap_or(Outcome::InternalError);
        let mut finished = Finished::new(outcome);
        finished.deployment.clone_from(&deployment);
        finished.serving = self.serving_now().await;
        if outcome == Outcome::Done {
            finished.cause = Some(too_late());
        }
        Ok(Waited::Ended(Box::new(aborted(finished))))
    }

    /// Why the owner of the unfinished deployment is known to be gone; nothing when there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when it lives.
    async fn claim(&self, journal: &mut Journal) -> Result<Option<String>> {
        if journal.state().open.is_none() {
            return Ok(None);
        }
        let clock = &self.parts.clock;
        let mut watch = OwnerWatch::new(self.parts.liveness.clone(), clock.clone());
        let until = after(clock.now(), self.patience);
        loop {
            match watch.observe(journal).await? {
                OwnerStatus::Gone { because } => return Ok(Some(because)),
                OwnerStatus::Alive if clock.now() >= until => {
                    return match &journal.state().open {
                        Some(open) => Err(busy(open)),
                        None => Ok(None),
                    };
                }
                OwnerStatus::Alive | OwnerStatus::Unknown => {}
            }
            clock.sleep(Duration::from_secs(1)).await;
            journal.refresh().await?;
            if journal.state().open.is_none() {
                return Ok(None);
            }
        }
    }

    async fn take_over(&self, journal: &mut Journal, because: String) -> Result<()> {
        if let Some(open) = &journal.state().open {
            let deployment = open.opened.deployment.clone();
            self.events.emit(Progress::Recovering { deployment, because: because.clone() });
        }
        match journal.take_over(self.parts.owner.clone(), because).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let message = "somebody else was first to take the deployment over, or to end it";
                Err(Error::new(ErrorKind::Busy, message)
                    .with_hint("run the command again")
                    .with_source(error))
            }
            answer => answer.map(|_| ()),
        }
    }
}
