//! One run: an owner's way to a goal, step by step, and back when it fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::control::Control;
use super::deployer::Parts;
use super::policy::{Ending, Policy};
use super::vitals::Vitals;
use super::wait::Pace;
use crate::clock::{Clock, after, between};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Envelope, Finished, Observer, Progress, Serving};
use crate::fence::Fence;
use crate::journal::{AbortKind, Act, Cause, DeploymentId, Event, Journal, Opened};
use crate::orchestrator::{Drive, Observed, Orchestrator, SetSpec, Standing, TaskId, TaskSets};
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, Goal, OnFailure, Plan, Purpose, Situation, Step};
use crate::release::{Release, ReleaseId};
use crate::traffic::TrafficRouter;
use crate::workload::Workload;

/// How often a way back is planned anew before a person is called.
const RESTORE_ATTEMPTS: u32 = 3;

/// Why a run does not go on as planned.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A step failed.
    Failed {
        /// Why.
        cause: Cause,
        /// Whether it is the release's fault.
        condemns: bool,
    },
    /// Something is there that no step of the plan knew of: a former owner left it. To be planned anew.
    Leftover(String),
    /// Somebody wants it taken back; the journal says so already.
    Aborted(AbortKind),
    /// We do not hold the service any more, or cannot tell: nothing may be touched.
    Lost(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Fenced => Self::Lost(error),
            _ => Self::Failed { cause: Cause::from(&error), condemns: false },
        }
    }
}

/// One owner's run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) platform: Arc<dyn Orchestrator>,
    pub(crate) sets: Arc<dyn TaskSets>,
    pub(crate) router: Arc<dyn TrafficRouter>,
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) parts: Parts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Journal,
    pub(crate) control: Control,
    pub(crate) vitals: Vitals,
    pub(crate) opened: Opened,
    pub(crate) deadline: Timestamp,
    pub(crate) listened: Timestamp,
    pub(crate) index: u32,
    pub(crate) abortable: bool,
    pub(crate) started: bool,
    /// Tasks that existed when the plan in hand was made.
    pub(crate) before: BTreeSet<TaskId>,
    /// The journal record that announced the step in hand.
    pub(crate) op: u64,
    step: Option<Step>,
    /// What was last told of the step in hand.
    told: String,
    events: Events,
}

/// Numbers events and hands them on.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
    last: Arc<std::sync::atomic::AtomicU64>,
}

impl Events {
    pub(crate) fn new(observer: Arc<dyn Observer>, clock: Arc<dyn Clock>) -> Self {
        Self { observer, clock, last: Arc::default() }
    }

    pub(crate) fn emit(&self, progress: Progress) {
        let seq = self.last.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        self.observer.observe(Envelope { v: 1, seq, time: self.clock.now(), progress });
    }
}

impl Run {
    /// A run of the deployment that the journal holds open for us.
    pub(crate) fn new(
        parts: Parts,
        policy: Arc<dyn Policy>,
        journal: Journal,
        control: Control,
        events: Events,
    ) -> Result<Self> {
        let opened = match &journal.state().open {
            Some(open) => open.opened.clone(),
            None => return Err(Error::new(ErrorKind::Unexpected, "no deployment is open in the journal")),
        };
        let (sets, router) = match parts.platform.drive() {
            Drive::Stepwise { sets, router } => (sets, router),
            Drive::Managed(_) => {
                let message = "this version drives platforms step by step only";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let clock = parts.clock.clone();
        let now = clock.now();
        Ok(Self {
            platform: parts.platform.clone(),
            sets,
            router,
            policy,
            clock,
            journal,
            control,
            vitals: Vitals::new(parts.prober.clone()),
            opened,
            deadline: Timestamp::MAX,
            listened: now,
            index: 0,
            abortable: false,
            started: false,
            before: BTreeSet::new(),
            op: 0,
            step: None,
            told: String::new(),
            events,
            parts,
        })
    }

    /// Goes to the deployment's own goal, or back when that fails, and ends the deployment in the journal.
    pub(crate) async fn deploy(&mut self) -> Finished {
        let goal = self.opened.goal.clone();
        // A release that was promoted has proven itself, whoever finishes.
        let purpose = if self.promoted() { Purpose::Restore } else { self.opened.purpose };
        match self.forward(&goal, purpose).await {
            Ok(()) => self.conclude(Ending::Reached, None).await,
            Err(stop) => self.back(stop).await,
        }
    }

    /// Goes back from a deployment that was given up.
    pub(crate) async fn take_back(&mut self, stop: Stop) -> Finished {
        if let Err(stop) = self.raise().await {
            return self.lost_from(stop).await;
        }
        self.back(stop).await
    }

    /// Goes on with the way back of a deployment that was given up by a former owner.
    pub(crate) async fn resume_back(&mut self) -> Finished {
        if let Err(stop) = self.raise().await {
            return self.lost_from(stop).await;
        }
        let open = self.journal.state().open.clone();
        match open.map(|open| (open.abort, open.failed)) {
            Some((Some((kind, _)), None)) => {
                self.restore(Cause::new("aborted on request"), Ending::Aborted(kind)).await
            }
            Some((_, Some(cause))) => self.restore(cause, Ending::Restored).await,
            _ => self.restore(Cause::new("interrupted"), Ending::Restored).await,
        }
    }

    async fn forward(&mut self, goal: &Goal, purpose: Purpose) -> Result<(), Stop> {
        self.abortable = self.opened.act != Act::Down && !self.promoted();
        self.raise().await?;
        let timeout = self.opened.config.timeout;
        let deadline = match &self.open_plan() {
            // Only a proof must be over by then: what is good, or shall go, is finished however late.
            Some((plan, deadline)) if plan.goal == *goal && purpose == Purpose::Prove => *deadline,
            _ => after(self.clock.now(), timeout),
        };
        self.reach(goal, purpose, None, deadline).await?;
        match (self.opened.act, goal.release().cloned()) {
            (Act::Rollback, Some(target)) => self.decide_rollback(target).await,
            // Nothing was to be proven: the release serves already, with another number of tasks.
            (Act::Deploy, Some(release)) if !self.promoted() => {
                self.record(Event::Promoted { release }).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    fn open_plan(&self) -> Option<(Plan, Timestamp)> {
        self.journal.state().open.as_ref().and_then(|open| open.plan.clone())
    }

    /// A new owner's first act: from here on, the router refuses older ones.
    async fn raise(&mut self) -> Result<(), Stop> {
        self.deadline = after(self.clock.now(), self.opened.config.timeout);
        let router = &self.router.clone();
        self.insist(async |fence| router.raise(&fence).await).await
    }

    /// A rollback's target is good and what it came from is bad: two rollbacks do not swing back and forth.
    async fn decide_rollback(&mut self, target: ReleaseId) -> Result<(), Stop> {
        // What was current when it began: a former owner may have died between the two records.
        let bad = self.opened.fallback.clone().filter(|before| *before != target);
        if !self.promoted() {
            self.record(Event::Promoted { release: target }).await?;
        }
        if let Some(release) = bad {
            let cause = Cause::new(format!("rolled back by {}", self.opened.owner.who));
            self.record(Event::Condemned { release, cause }).await?;
        }
        Ok(())
    }

    /// After a stop: back to the last good release, unless that is not wanted or not ours to do.
    async fn back(&mut self, stop: Stop) -> Finished {
        let promoted = self.promoted();
        let (cause, ending) = match stop {
            Stop::Lost(error) => return self.lost(error).await,
            Stop::Leftover(why) => (Cause::new(why), Ending::Restored),
            // The release is decided to be good: no way back, but its own goal once more.
            Stop::Failed { cause, .. } if promoted => return self.restore(cause, Ending::Reached).await,
            Stop::Failed { cause, condemns } => {
                if let Err(stop) = self.record_failure(&cause, condemns).await {
                    return self.lost_from(stop).await;
                }
                (cause, Ending::Restored)
            }
            Stop::Aborted(kind) => (Cause::new("aborted on request"), Ending::Aborted(kind)),
        };
        let freeze = self.opened.config.on_failure == OnFailure::Freeze
            && self.opened.purpose == Purpose::Prove
            && ending == Ending::Restored;
        if freeze {
            return self.conclude(Ending::Frozen, Some(cause)).await;
        }
        self.restore(cause, ending).await
    }

    async fn record_failure(&mut self, cause: &Cause, condemns: bool) -> Result<(), Stop> {
        self.record(Event::Failed { index: Some(self.index), cause: cause.clone() }).await?;
        let proving = self.opened.purpose == Purpose::Prove;
        if let (true, true, Some(release)) = (condemns, proving, self.opened.goal.release().cloned()) {
            self.record(Event::Condemned { release, cause: cause.clone() }).await?;
        }
        Ok(())
    }

    async fn restore(&mut self, cause: Cause, ending: Ending) -> Finished {
        self.abortable = false;
        let mut because = cause.clone();
        for attempt in 1..=RESTORE_ATTEMPTS {
            let goal = self.policy.fallback(self.journal.state());
            let deadline = after(self.clock.now(), self.opened.config.timeout);
            match self.reach(&goal, Purpose::Restore, Some(because), deadline).await {
                Ok(()) => {
                    let cause = (ending != Ending::Reached).then_some(cause);
                    return self.conclude(ending, cause).await;
                }
                Err(Stop::Lost(error)) => return self.lost(error).await,
                Err(Stop::Aborted(_) | Stop::Leftover(_)) => because = cause.clone(),
                Err(Stop::Failed { cause: obstacle, .. }) => {
                    let message = format!("way back, attempt {attempt}: {}", obstacle.message);
                    self.emit(Progress::Warning { message });
                    because = obstacle;
                }
            }
            self.clock.sleep(Duration::from_secs(u64::from(attempt))).await;
        }
        let cause = Cause {
            message: cause.message.clone(),
            causes: [cause.causes, vec![format!("taking back failed: {}", because.message)], because.causes]
                .concat(),
            hint: because.hint.or(cause.hint),
        };
        self.conclude(Ending::Stuck, Some(cause)).await
    }

    /// Goes to a goal, and again while former owners turn out to have left something.
    async fn reach(
        &mut self,
        goal: &Goal,
        mut purpose: Purpose,
        mut because: Option<Cause>,
        deadline: Timestamp,
    ) -> Result<(), Stop> {
        loop {
            match self.attempt(goal, purpose, because, deadline).await {
                Err(Stop::Leftover(why)) => because = Some(Cause::new(why)),
                other => return other,
            }
            if self.promoted() {
                purpose = Purpose::Restore;
            }
            self.tick(&mut { Pace::RETRY }).await?;
        }
    }

    fn promoted(&self) -> bool {
        self.journal.state().open.as_ref().is_some_and(|open| open.promoted)
    }

    /// Observes, plans, and runs the plan.
    async fn attempt(
        &mut self,
        goal: &Goal,
        purpose: Purpose,
        because: Option<Cause>,
        deadline: Timestamp,
    ) -> Result<(), Stop> {
        (self.index, self.step, self.deadline) = (0, None, deadline);
        let observed = self.observe().await?;
        self.before = observed.sets.values().flat_map(|set| &set.tasks).map(|task| task.id.clone()).collect();
        let config = self.config_for(goal)?;
        let capabilities = self.platform.capabilities();
        let situation =
            Situation { goal, purpose, observed: &observed, capabilities: &capabilities, config: &config };
        let plan = self.policy.plan(&situation)?;
        self.announce(&plan, because.clone());
        self.record(Event::Planned { plan: plan.clone(), because, deadline }).await?;
        for (index, step) in (0..).zip(plan.steps) {
            self.index = index;
            self.attend().await?;
            self.perform(step).await?;
        }
        Ok(())
    }

    fn announce(&mut self, plan: &Plan, because: Option<Cause>) {
        let plan = plan.clone();
        if self.started {
            self.emit(Progress::Replanned { plan, because });
            return;
        }
        self.started = true;
        let from = self.journal.state().current().cloned();
        let Opened { deployment, act, goal, .. } = self.opened.clone();
        self.emit(Progress::Started { deployment, act, release: goal.release().cloned(), from, plan });
    }

    /// The deployment's configuration, for a goal whose release may have requests or not.
    fn config_for(&self, goal: &Goal) -> Result<DeploymentConfig, Stop> {
        let mut config = self.opened.config.clone();
        if let Some(release) = goal.release() {
            config.traffic = self.workload(release)?.endpoint.is_some();
        }
        Ok(config)
    }

    async fn perform(&mut self, step: Step) -> Result<(), Stop> {
        let began = self.clock.now();
        let index = self.index;
        self.step = Some(step.clone());
        self.told.clear();
        self.emit(Progress::StepStarted { index, step: step.clone() });
        match self.run_step(&step).await {
            Ok(evidence) => {
                self.record(Event::Completed { index, evidence: evidence.clone() }).await?;
                let took = between(began, self.clock.now());
                self.emit(Progress::StepCompleted { index, step, evidence, took });
                Ok(())
            }
            Err(stop) => {
                if let Stop::Failed { cause, .. } = &stop {
                    self.emit(Progress::StepFailed { index, step, cause: cause.clone() });
                }
                Err(stop)
            }
        }
    }

    async fn run_step(&mut self, step: &Step) -> Result<Option<String>, Stop> {
        if !matches!(step, Step::Retire { .. }) {
            self.intend(step, Vec::new()).await?;
        }
        match step {
            Step::Register { release } => self.register(release).await,
            Step::Place { release, tasks, standing } => self.place(release, *tasks, *standing).await,
            Step::SmokeStaged { release } => self.smoke_staged(release).await,
            Step::Shift { shares } => self.shift(shares).await,
            Step::SmokePublic { release } => self.smoke_public(release).await,
            Step::Bake { release, tasks, duration } => self.bake(release, *tasks, *duration).await,
            Step::Verify { release, tasks, alone } => self.verify(release, *tasks, *alone).await,
            Step::Promote { release, tasks } => self.promote(release, *tasks).await,
            Step::Drain { release, keep, timeout } => self.drain(release, *keep, *timeout).await,
            Step::Retire { release, keep } => self.retire(step, release, *keep).await,
            Step::Close => self.close().await,
        }
    }

    async fn register(&mut self, release: &ReleaseId) -> Result<Option<String>, Stop> {
        let (platform, release) = (&self.platform.clone(), &self.release(release)?);
        self.insist(async |fence| platform.register(&fence, release).await).await?;
        Ok(None)
    }

    async fn close(&mut self) -> Result<Option<String>, Stop> {
        let router = &self.router.clone();
        self.insist(async |fence| router.remove(&fence).await).await?;
        Ok(None)
    }

    /// Writes a step's intent; what follows carries the record's number in its fence.
    pub(crate) async fn intend(&mut self, step: &Step, dooms: Vec<TaskId>) -> Result<(), Stop> {
        let event = Event::Intended { index: self.index, step: step.clone(), dooms };
        self.op = self.record(event).await?;
        Ok(())
    }

    /// Writes the intent to destroy tasks in the middle of the step in hand.
    pub(crate) async fn intend_doom(&mut self, dooms: Vec<TaskId>) -> Result<(), Stop> {
        match self.step.clone() {
            Some(step) => self.intend(&step, dooms).await,
            None => Err(Error::new(ErrorKind::Unexpected, "doom tasks outside any step").into()),
        }
    }

    /// Appends to the journal. A failure means that we may not go on: what cannot be recorded is not done.
    pub(crate) async fn record(&mut self, event: Event) -> Result<u64, Stop> {
        self.journal.append(event).await.map_err(Stop::Lost)
    }

    /// What every mutating call carries.
    pub(crate) fn fence(&self) -> Fence {
        self.journal.fence(self.op)
    }

    /// Stops when an abort was asked for, here or from another machine.
    pub(crate) async fn heed(&mut self) -> Result<(), Stop> {
        if !self.abortable {
            return Ok(());
        }
        if let Some(how) = self.control.requested() {
            let by = self.parts.owner.who.clone();
            self.record(Event::AbortRequested { by, how }).await?;
        }
        match self.journal.state().open.as_ref().and_then(|open| open.abort.clone()) {
            Some((kind, _)) => Err(Stop::Aborted(kind)),
            None => Ok(()),
        }
    }

    /// What exists and serves, with tasks that the journal has doomed marked as such.
    pub(crate) async fn observe(&mut self) -> Result<Observed, Stop> {
        let platform = &self.platform.clone();
        let mut observed = self.insist(async |_| platform.observe().await).await?;
        let doomed = &self.journal.state().doomed;
        for task in observed.sets.values_mut().flat_map(|set| &mut set.tasks) {
            task.doomed |= doomed.contains(&task.id);
        }
        Ok(observed)
    }

    /// How a set should be.
    pub(crate) fn spec(&self, release: &ReleaseId, tasks: u32, standing: Standing) -> Result<SetSpec, Stop> {
        let doomed = self.journal.state().doomed.clone();
        Ok(SetSpec { release: Arc::new(self.release(release)?), tasks, standing, doomed })
    }

    /// A release that the journal knows.
    pub(crate) fn release(&self, id: &ReleaseId) -> Result<Release, Stop> {
        let known = self.journal.state().releases.get(id).cloned();
        known.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the journal does not know release {id:#}")).into()
        })
    }

    /// The workload of a release that the journal knows.
    pub(crate) fn workload(&self, id: &ReleaseId) -> Result<Workload, Stop> {
        self.release(id).map(|release| release.workload)
    }

    pub(crate) fn emit(&self, progress: Progress) {
        self.events.emit(progress);
    }

    /// Tells how far the step in hand is, unless that was told last.
    pub(crate) fn progress(&mut self, message: String) {
        if self.told != message {
            self.told.clone_from(&message);
            self.emit(Progress::StepProgress { index: self.index, message });
        }
    }

    /// Whether the step in hand waits for the release: what else takes too long is no fault of it.
    pub(crate) fn waits_for_release(&self) -> bool {
        match &self.step {
            Some(
                Step::Place { .. }
                | Step::SmokeStaged { .. }
                | Step::Shift { .. }
                | Step::SmokePublic { .. }
                | Step::Bake { .. }
                | Step::Verify { .. },
            ) => true,
            Some(
                Step::Register { .. }
                | Step::Promote { .. }
                | Step::Drain { .. }
                | Step::Retire { .. }
                | Step::Close,
            )
            | None => false,
        }
    }

    /// What is being done, for a message.
    pub(crate) fn doing(&self) -> String {
        self.step.as_ref().map_or_else(|| "planning".to_owned(), ToString::to_string)
    }

    async fn lost_from(&mut self, stop: Stop) -> Finished {
        match stop {
            Stop::Lost(error) => self.lost(error).await,
            Stop::Failed { cause, .. } => self.finish(Outcome::InternalError, Some(cause)).await,
            Stop::Aborted(_) | Stop::Leftover(_) => self.finish(Outcome::InternalError, None).await,
        }
    }

    /// The service is not ours any more, or the journal cannot be written: nothing more is touched.
    async fn lost(&mut self, error: Error) -> Finished {
        let outcome = if error.kind() == ErrorKind::Fenced { Outcome::Superseded } else { Outcome::Stuck };
        self.finish(outcome, Some(Cause::from(&error))).await
    }

    /// Reads back what serves, and ends the deployment in the journal.
    async fn conclude(&mut self, ending: Ending, cause: Option<Cause>) -> Finished {
        let outcome = self.policy.outcome(ending);
        self.abortable = false;
        self.deadline = after(self.clock.now(), self.opened.config.timeout);
        let serving = match self.observe().await {
            Ok(observed) => serving(&observed),
            Err(stop) => return self.lost_from(stop).await,
        };
        let removed = self.opened.act == Act::Down && ending == Ending::Reached;
        let ended = Event::Ended {
            outcome,
            serving: serving.iter().map(|serving| serving.release.clone()).collect(),
            cause: cause.clone(),
        };
        let events = removed.then_some(Event::Removed {}).into_iter().chain([ended]);
        for event in events {
            if let Err(stop) = self.record(event).await {
                return self.lost_from(stop).await;
            }
        }
        self.finished(outcome, serving, cause)
    }

    async fn finish(&mut self, outcome: Outcome, cause: Option<Cause>) -> Finished {
        // Only for the message: when the platform does not answer, nothing is claimed to serve.
        let serving = self.platform.observe().await.map(|observed| serving(&observed)).unwrap_or_default();
        self.finished(outcome, serving, cause)
    }

    fn finished(&self, outcome: Outcome, serving: Vec<Serving>, cause: Option<Cause>) -> Finished {
        let release = self.opened.goal.release();
        let condemned = &self.journal.state().condemned;
        Finished {
            deployment: Some(self.deployment()),
            release: release.cloned(),
            condemned: release.is_some_and(|release| condemned.contains_key(release)),
            serving,
            cause,
            ..Finished::new(outcome)
        }
    }

    fn deployment(&self) -> DeploymentId {
        self.opened.deployment.clone()
    }
}

/// What serves, as the platform shows it. A worker's tasks serve by running.
pub fn serving(observed: &Observed) -> Vec<Serving> {
    let split = &observed.split;
    let sum: u32 = split.serving().map(|(_, weight)| weight).sum();
    let of = |release: &ReleaseId, weight: u32, tasks: usize| {
        let set = observed.set(release);
        Serving {
            release: release.clone(),
            images: set.live().next().map(|task| task.images.clone()).unwrap_or_default(),
            weight,
            tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
        }
    };
    if sum > 0 {
        return split
            .serving()
            .map(|(release, weight)| {
                let tasks = split.route(release).map_or(0, |route| route.upstreams.len());
                of(release, weight * 100 / sum, tasks)
            })
            .collect();
    }
    let running = observed.sets.iter().filter(|(_, set)| {
        set.live().any(|task| task.standing == Standing::Promoted && task.address.is_none())
    });
    running.map(|(release, set)| of(release, 100, set.live().count())).collect()
}
