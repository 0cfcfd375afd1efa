//! Roll out, withdraw: what a platform does by itself is started, watched, and told truthfully.

use std::sync::Arc;

use crate::clock::{after, between};
use crate::engine::{Pace, Run, Stop};
use crate::journal::Cause;
use crate::orchestrator::Drive;
use crate::release::ReleaseId;
use crate::rollout::{Answer, RolloutId, RolloutSpec, RolloutState, Started};

impl Run {
    pub(crate) async fn roll_out(
        &mut self,
        release: &ReleaseId,
        tasks: Option<u32>,
        fresh: bool,
    ) -> Result<Option<String>, Stop> {
        let began = self.clock.now();
        let rollout = self.start_rollout(release, tasks, fresh).await?;
        let mut pace = Pace::REMOTE;
        loop {
            let rollouts = &self.rollouts()?;
            let shown = match self.insist(async |_| rollouts.state(&rollout).await).await? {
                RolloutState::Running(progress) => progress.to_string(),
                RolloutState::Waiting { gate } => {
                    // Nobody here has proven anything at it: it must not pass.
                    let answer = Answer::RollBack;
                    self.insist(async |fence| rollouts.answer(&fence, &rollout, &gate, answer).await).await?;
                    format!("refused at gate {}, which no step of this plan is for", gate.0)
                }
                RolloutState::Succeeded => {
                    let took = between(began, self.clock.now());
                    return Ok(Some(format!("{rollout}, {:.1} s", took.as_secs_f64())));
                }
                RolloutState::RolledBack { reason } => {
                    let message = format!("the platform took {release:#} back");
                    return Err(self.rollout_failed(release, message, reason).await);
                }
                RolloutState::Failed { reason } => {
                    let message = format!("the platform did not get {release:#} to serve");
                    return Err(self.rollout_failed(release, message, reason).await);
                }
                RolloutState::Superseded { by } => return Err(superseded(by)),
            };
            self.progress(shown.clone());
            match self.tick(&mut pace).await {
                Err(Stop::Failed { cause, condemns }) => {
                    let cause = self.reported(cause.because([shown]), release).await;
                    return Err(Stop::Failed { cause, condemns });
                }
                other => other?,
            }
        }
    }

    async fn start_rollout(
        &mut self,
        release: &ReleaseId,
        tasks: Option<u32>,
        fresh: bool,
    ) -> Result<RolloutId, Stop> {
        let full = Arc::new(self.release(release)?);
        let platform = &self.platform.clone();
        let revision = self.insist(async |fence| platform.register(&fence, &full).await).await?;
        let config = &self.opened.config;
        let spec = &RolloutSpec {
            release: Some(full.clone()),
            revision,
            tasks,
            fresh,
            minimum_healthy_percent: config.minimum_healthy_percent,
            maximum_percent: config.maximum_percent,
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
    pub(crate) async fn import(&mut self) -> Result<bool, Stop> {
        let (Drive::Managed(rollouts), Some(release)) =
            (self.drive.clone(), self.opened.goal.release().cloned())
        else {
            return Ok(false);
        };
        // Nothing was begun that could have come to an end.
        if self.open_plan().is_none() {
            return Ok(false);
        }
        self.deadline = after(self.clock.now(), self.opened.config.timeout);
        let Some(rollout) = self.insist(async |_| rollouts.find(&release).await).await? else {
            return Ok(false);
        };
        let state = self.insist(async |_| rollouts.state(&rollout).await).await?;
        self.imported = state == RolloutState::Succeeded;
        Ok(self.imported)
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
