//! The way to a goal: observe, plan, and run the plan step by step.

use jiff::Timestamp;

use super::run::{Run, Stop};
use super::wait::Pace;
use crate::clock::{after, between};
use crate::error::Result;
use crate::event::Progress;
use crate::journal::{Act, Cause, Event, Opened};
use crate::orchestrator::Drive;
use crate::plan::{DeploymentConfig, Goal, Plan, Purpose, Situation, Step};
use crate::release::ReleaseId;

impl Run {
    /// Goes to the deployment's own goal, and decides what that was for.
    pub(super) async fn forward(&mut self, goal: &Goal, purpose: Purpose) -> Result<(), Stop> {
        self.may_be_aborted(!self.promoted());
        self.raise().await?;
        let timeout = self.opened.config.timeout;
        let deadline = match &self.open_plan() {
            // Only a proof must be over by then: what is good, or shall go, is finished however late.
            Some((plan, deadline)) if plan.goal == *goal && purpose == Purpose::Prove && !self.imported => {
                *deadline
            }
            _ => after(self.clock.now(), timeout),
        };
        self.reach(goal, purpose, None, deadline).await?;
        match (self.opened.act, goal.release().cloned()) {
            (Act::Rollback, Some(target)) => self.decide_rollback(target).await,
            // Nothing was to be proven: the release serves already, with another number of tasks.
            (Act::Deploy | Act::Scale, Some(release)) if !self.promoted() => {
                self.record(Event::Promoted { release }).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn open_plan(&self) -> Option<(Plan, Timestamp)> {
        self.journal.state().open.as_ref().and_then(|open| open.plan.clone())
    }

    /// A new owner's first act: from here on, a router refuses older ones.
    pub(super) async fn raise(&mut self) -> Result<(), Stop> {
        self.deadline = after(self.clock.now(), self.opened.config.timeout);
        match &self.drive.clone() {
            Drive::Stepwise { router, .. } => self.insist(async |fence| router.raise(&fence).await).await,
            // It knows no epochs: what a fence says besides holds older owners off.
            Drive::Managed(_) => Ok(()),
        }
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

    /// Goes to a goal, and again while former owners turn out to have left something.
    pub(super) async fn reach(
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
        self.from.clone_from(&observed.rollout);
        self.rollout = None;
        let config = self.config_for(goal)?;
        let capabilities = self.platform.capabilities();
        let situation =
            Situation { goal, purpose, observed: &observed, capabilities: &capabilities, config: &config };
        let plan = self.policy.plan(&situation)?;
        let found = observed.rollout.as_ref().map(|rollout| rollout.revision.clone());
        self.record(Event::Planned { plan: plan.clone(), because: because.clone(), deadline, found }).await?;
        // What is told stands in the journal: whoever sees it and kills us knows what comes next.
        self.announce(&plan, because);
        for (index, step) in (0..).zip(plan.steps) {
            self.index = index;
            self.attend().await?;
            self.hold(&step).await?;
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
            Step::RollOut { release, .. } => self.roll_out(release, step).await,
            Step::Pass { release, stage, proofs } => self.pass(release, *stage, proofs).await,
            Step::GiveUp { rollout } => self.give_up(rollout).await,
            Step::Withdraw => self.withdraw().await,
            Step::GoBack { revision, way } => self.go_back(revision, *way).await,
        }
    }

    async fn register(&mut self, release: &ReleaseId) -> Result<Option<String>, Stop> {
        let (platform, release) = (&self.platform.clone(), &self.release(release)?);
        self.insist(async |fence| platform.register(&fence, release).await).await?;
        Ok(None)
    }

    async fn close(&mut self) -> Result<Option<String>, Stop> {
        // The last moment at which an abort of a removal is heard: from here on, the public port may be anybody's.
        self.listen().await?;
        self.may_be_aborted(false);
        let router = &self.router()?;
        self.insist(async |fence| router.remove(&fence).await).await?;
        Ok(None)
    }
}
