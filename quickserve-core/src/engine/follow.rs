//! Following a deployment of another owner: what its records say is told as its owner tells it.

use jiff::Timestamp;

use super::control::{Control, InHand};
use super::deployer::Deployer;
use super::wait::Pace;
use crate::clock::between;
use crate::error::{Error, Result};
use crate::event::{Finished, Progress};
use crate::journal::{
    Cause, DeploymentId, Event, Journal, OpenDeployment, Opened, OwnerStatus, OwnerWatch, Record,
};
use crate::outcome::Outcome;
use crate::plan::{Plan, Step};
use crate::release::ReleaseId;

/// What came of following.
pub(super) enum Followed {
    /// The deployment has ended: as its owner ended.
    Ended(Box<Finished>),
    /// It is paused.
    Parked,
    /// Its owner is gone, and this is how that is known.
    Gone(String),
    /// Its end was not waited for.
    Left,
}

impl Deployer {
    /// Follows the deployment in flight until it ends, is paused, or turns out to have no owner any more.
    pub(super) async fn follow(
        &self,
        journal: &mut Journal,
        control: &Control,
        until: Timestamp,
    ) -> Result<Followed> {
        let clock = &self.parts.clock;
        let mut watch = OwnerWatch::new(self.parts.liveness.clone(), clock.clone());
        let mut pace = Pace::STEADY;
        let Some(open) = journal.state().open.clone() else { return Ok(Followed::Left) };
        let deployment = open.opened.deployment.clone();
        let mut tail = Tail::new(&open, journal);
        let _following = control.holding(InHand::Another);
        tail.catch_up(&open).into_iter().for_each(|progress| self.events.emit(progress));
        loop {
            match &journal.state().open {
                Some(open) if open.opened.deployment != deployment => break,
                None => break,
                Some(open) if open.parked.is_some() => return Ok(Followed::Parked),
                Some(_) => {}
            }
            match watch.observe(journal).await {
                Ok(OwnerStatus::Gone { because }) => return Ok(Followed::Gone(because)),
                Err(error) if !error.is_temporary() => return Err(error),
                // What cannot be read for a moment is read at the next look.
                _ => {}
            }
            if clock.now() >= until || control.requested().is_some() {
                return Ok(Followed::Left);
            }
            control.sleep(clock.as_ref(), pace.next()).await;
            match journal.refresh().await {
                Err(error) if !error.is_temporary() => return Err(error),
                _ => {}
            }
            match self.retell(journal, &mut tail).await {
                Err(error) if !error.is_temporary() => return Err(error),
                _ => {}
            }
        }
        // Once more what could not be read at the last look; how it ended is known without it.
        drop(self.retell(journal, &mut tail).await);
        Ok(Followed::Ended(Box::new(self.ended(journal, &deployment).await)))
    }

    /// Tells what its owner has recorded since the last look.
    async fn retell(&self, journal: &Journal, tail: &mut Tail) -> Result<()> {
        if journal.state().last > tail.last {
            for record in journal.records(tail.last + 1).await? {
                tail.last = record.seq;
                tail.next(&record).into_iter().for_each(|progress| self.events.emit(progress));
            }
        }
        Ok(())
    }

    /// The end of a deployment, as the journal has it.
    async fn ended(&self, journal: &Journal, deployment: &DeploymentId) -> Finished {
        let state = journal.state();
        let summary = state.deployments.iter().find(|summary| summary.deployment == *deployment);
        let outcome = summary.and_then(|summary| summary.outcome).unwrap_or(Outcome::InternalError);
        let release = summary.and_then(|summary| summary.release.clone());
        Finished {
            deployment: Some(deployment.clone()),
            condemned: release.as_ref().is_some_and(|release| state.condemned.contains_key(release)),
            release,
            serving: self.serving_now().await,
            cause: summary.and_then(|summary| summary.cause.clone()),
            ..Finished::new(outcome)
        }
    }

    /// The end of a command whose wish is recorded, and which cannot see what comes of it.
    pub(super) async fn unseen(&self, deployment: DeploymentId, message: &str, error: &Error) -> Finished {
        let left = self.left(Some(deployment), message).await;
        let cause = left.cause.clone().map(|cause| cause.because(error.causes()));
        Finished { cause, ..left }
    }

    /// The end of a command that does not wait any longer for a deployment that goes on.
    pub(super) async fn left(&self, deployment: Option<DeploymentId>, message: &str) -> Finished {
        let mut cause = Cause::new(message);
        cause.hint = Some("quickserve resume follows it to its end".to_owned());
        Finished {
            deployment,
            serving: self.serving_now().await,
            cause: Some(cause),
            ..Finished::new(Outcome::TimedOut)
        }
    }
}

/// Reads the records of another owner.
struct Tail {
    opened: Opened,
    from: Option<ReleaseId>,
    /// Whether its first plan was told.
    started: bool,
    step: Option<(u32, Step, Timestamp)>,
    /// The last record that was told.
    last: u64,
}

impl Tail {
    fn new(open: &OpenDeployment, journal: &Journal) -> Self {
        Self {
            opened: open.opened.clone(),
            from: journal.state().current().cloned(),
            started: false,
            step: None,
            last: journal.state().last,
        }
    }

    /// What its owner has told before one came: the plan in force and the step in hand.
    fn catch_up(&mut self, open: &OpenDeployment) -> Vec<Progress> {
        let Some((plan, _)) = &open.plan else { return Vec::new() };
        let mut told = vec![self.planned(plan.clone(), None)];
        if let Some((index, step, began)) = open.step.clone().filter(|_| !open.step_completed) {
            told.push(Progress::StepStarted { index, step: step.clone() });
            self.step = Some((index, step, began));
        }
        told
    }

    fn planned(&mut self, plan: Plan, because: Option<Cause>) -> Progress {
        self.step = None;
        if std::mem::replace(&mut self.started, true) {
            return Progress::Replanned { plan, because };
        }
        let Opened { deployment, act, goal, .. } = self.opened.clone();
        Progress::Started { deployment, act, release: goal.release().cloned(), from: self.from.clone(), plan }
    }

    fn next(&mut self, record: &Record) -> Option<Progress> {
        match record.entry.event()?.clone() {
            Event::Planned { plan, because, .. } => Some(self.planned(plan, because)),
            Event::Intended { index, step, .. } => {
                let again = self.step.as_ref().is_some_and(|(at, ..)| *at == index);
                if again {
                    return None;
                }
                self.step = Some((index, step.clone(), record.at));
                Some(Progress::StepStarted { index, step })
            }
            Event::Completed { index, evidence } => {
                let (_, step, began) = self.step.take()?;
                let took = between(began, record.at);
                Some(Progress::StepCompleted { index, step, evidence, took })
            }
            Event::Failed { cause, .. } => {
                let (index, step, _) = self.step.take()?;
                Some(Progress::StepFailed { index, step, cause })
            }
            Event::AbortRequested { by, .. } => {
                Some(Progress::Warning { message: format!("{by} wants it taken back") })
            }
            Event::PauseRequested { by } => {
                Some(Progress::Warning { message: format!("{by} wants it paused") })
            }
            _ => None,
        }
    }
}
