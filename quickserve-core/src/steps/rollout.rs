//! Roll out, withdraw: what a platform does by itself is started, watched, and told truthfully.

use std::sync::Arc;

use crate::clock::{after, between};
use crate::engine::{Import, Pace, Run, Stop};
use crate::journal::Cause;
use crate::orchestrator::Drive;
use crate::plan::Step;
use crate::release::ReleaseId;
use crate::rollout::{Answer, GateId, RolloutId, RolloutProgress, RolloutSpec, RolloutState, Stage, Started};

/// Where a rollout stands that may still come to the wanted end.
#[derive(Debug)]
pub(crate) enum Standing {
    /// The platform works on it.
    Running(RolloutProgress),
    /// It waits for an answer.
    Waiting {
        /// The gate.
        gate: GateId,
        /// Where that stands.
        stage: Option<Stage>,
    },
    /// Its release serves, and only it.
    Succeeded,
}

impl Run {
    pub(crate) async fn roll_out(
        &mut self,
        release: &ReleaseId,
        step: &Step,
    ) -> Result<Option<String>, Stop> {
        let Step::RollOut { gates, .. } = step else { return Err(self.misplanned()) };
        let began = self.clock.now();
        let rollout = self.start_rollout(release, step).await?;
        self.rollout = Some(rollout.clone());
        let mut pace = Pace::REMOTE;
        loop {
            let shown = match self.standing(release, &rollout).await? {
                Standing::Running(progress) => progress.to_string(),
                Standing::Waiting { stage: Some(stage), .. } if gates.contains(&stage) => {
                    return Ok(Some(format!("{rollout} waits {stage}")));
                }
                Standing::Waiting { gate, .. } => {
                    // Nobody here has proven anything at it: it must not pass.
                    let (rollouts, answer) = (&self.rollouts()?, Answer::RollBack);
                    self.insist(async |fence| rollouts.answer(&fence, &rollout, &gate, answer).await).await?;
                    format!("refused at gate {}, which no step of this plan is for", gate.0)
                }
                Standing::Succeeded => {
                    let took = between(began, self.clock.now());
                    return Ok(Some(format!("{rollout}, {:.1} s", took.as_secs_f64())));
                }
            };
            self.watch(release, &mut pace, shown).await?;
        }
    }

    /// Where a rollout stands. An end that is not the wanted one is why the deployment stops.
    pub(crate) async fn standing(
        &mut self,
        release: &ReleaseId,
        rollout: &RolloutId,
    ) -> Result<Standing, Stop> {
        let rollouts = &self.rollouts()?;
        match self.insist(async |_| rollouts.state(rollout).await).await? {
            RolloutState::Running(progress) => Ok(Standing::Running(progress)),
            RolloutState::Waiting { gate, stage } => Ok(Standing::Waiting { gate, stage }),
            RolloutState::Succeeded => Ok(Standing::Succeeded),
            RolloutState::RolledBack { reason } => {
                let message = format!("the platform took {release:#} back");
                Err(self.rollout_failed(release, message, reason).await)
            }
            RolloutState::Failed { reason } => {
                let message = format!("the platform did not get {release:#} to serve");
                Err(self.rollout_failed(release, message, reason).await)
            }
            RolloutState::Superseded { by } => Err(superseded(by)),
        }
    }

    /// Waits a little; when that was too long, what was seen last is among the causes.
    pub(crate) async fn watch(
        &mut self,
        release: &ReleaseId,
        pace: &mut Pace,
        shown: String,
    ) -> Result<(), Stop> {
        self.progress(shown.clone());
        match self.tick(pace).await {
            Err(Stop::Failed { cause, condemns }) => {
                let cause = self.reported(cause.because([shown]), release).await;
                Err(Stop::Failed { cause, condemns })
            }
            other => other,
        }
    }

    async fn start_rollout(&mut self, release: &ReleaseId, step: &Step) -> Result<RolloutId, Stop> {
        let Step::RollOut { tasks, fresh, way, gates, .. } = step else { return Err(self.misplanned()) };
        let full = Arc::new(self.release(release)?);
        let platform = &self.platform.clone();
        let revision = self.insist(async |fence| platform.register(&fence, &full).await).await?;
        let config = &self.opened.config;
        let spec = &RolloutSpec {
            release: Some(full.clone()),
            revision,
            tasks: *tasks,
            fresh: *fresh,
            minimum_healthy_percent: config.minimum_healthy_percent,
            maximum_percent: config.maximum_percent,
            way: *way,
            gates: gates.clone(),
            gate_timeout: config.timeout,
        };
        let from = self.from.as_ref().map(|rollout| rollout.id.clone());
        let rollouts = &self.rollouts()?;
        match self.insist(async |fence| rollouts.start(&fence, from.as_ref(), spec).await).await? {
            Started::Rollout(id) => Ok(id),
            Started::Superseded(by) => Err(superseded(by)),
        }
    }

    /// Whether the platform has brought the deployment's release to serve while nobody watched; what is left of the
    /// plan then gets time of its own. A platform that does not answer is asked again: to take back what it has
    /// finished would be worse than to wait.
    pub(crate) async fn import(&mut self) -> Result<Import, Stop> {
        let (Drive::Managed(rollouts), Some(release)) =
            (self.drive.clone(), self.opened.goal.release().cloned())
        else {
            return Ok(Import::Nothing);
        };
        // Nothing was begun that could have come to an end.
        let Some((plan, _)) = self.open_plan() else {
            return Ok(Import::Nothing);
        };
        self.deadline = after(self.clock.now(), self.opened.config.timeout);
        let Some(rollout) = self.insist(async |_| rollouts.find(&release).await).await? else {
            return Ok(Import::Nothing);
        };
        let state = self.insist(async |_| rollouts.state(&rollout).await).await?;
        if state != RolloutState::Succeeded {
            return Ok(Import::Nothing);
        }
        let gates = plan.steps.iter().filter_map(|step| match step {
            Step::Pass { stage, .. } => Some(*stage),
            _ => None,
        });
        self.imported = gates.into_iter().all(|stage| self.answered(&rollout, stage));
        Ok(if self.imported { Import::Finished } else { Import::Past })
    }

    async fn rollout_failed(&self, release: &ReleaseId, message: String, reason: String) -> Stop {
        let cause = self.reported(Cause::new(message).because([reason]), release).await;
        Stop::Failed { cause, condemns: true }
    }

    pub(crate) async fn withdraw(&mut self) -> Result<Option<String>, Stop> {
        // The last moment at which an abort of a removal is heard.
        self.listen().await?;
        self.may_be_aborted(false);
        let mut pace = Pace::REMOTE;
        loop {
            let rollouts = &self.rollouts()?;
            if self.insist(async |fence| rollouts.withdraw(&fence).await).await? {
                return Ok(None);
            }
            self.tick(&mut pace).await?;
        }
    }
}

pub(super) fn superseded(by: String) -> Stop {
    Stop::Superseded(Cause {
        hint: Some("quickserve status shows what serves; deploy again once nobody else does".to_owned()),
        ..Cause::new("somebody else has changed the service meanwhile").because([by])
    })
}
