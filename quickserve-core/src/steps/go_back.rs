//! Go back: the platform serves again what it served before it was ours to deploy.

use crate::engine::{Pace, Run, Stop};
use crate::journal::Cause;
use crate::orchestrator::Revision;
use crate::rollout::{Answer, RolloutSpec, RolloutState, Started, Way};

use super::rollout::superseded;

impl Run {
    /// It is known to be good by having served: it proves nothing, and passes every gate.
    pub(crate) async fn go_back(&mut self, revision: &Revision, way: Way) -> Result<Option<String>, Stop> {
        let config = &self.opened.config;
        let spec = &RolloutSpec {
            release: None,
            revision: revision.clone(),
            tasks: None,
            fresh: false,
            minimum_healthy_percent: config.minimum_healthy_percent,
            maximum_percent: config.maximum_percent,
            way,
            gates: Vec::new(),
            gate_timeout: config.timeout,
        };
        let from = self.from.as_ref().map(|rollout| rollout.id.clone());
        let rollouts = &self.rollouts()?;
        let rollout =
            match self.insist(async |fence| rollouts.start(&fence, from.as_ref(), spec).await).await? {
                Started::Rollout(rollout) => rollout,
                Started::Superseded(by) => return Err(superseded(by)),
            };
        let mut pace = Pace::REMOTE;
        loop {
            let shown = match self.insist(async |_| rollouts.state(&rollout).await).await? {
                RolloutState::Running(progress) => progress.to_string(),
                RolloutState::Waiting { gate, .. } => {
                    let answer = Answer::Continue;
                    self.insist(async |fence| rollouts.answer(&fence, &rollout, &gate, answer).await).await?;
                    format!("gate {} passed", gate.0)
                }
                RolloutState::Succeeded => return Ok(Some(format!("{} serves again", revision.short()))),
                RolloutState::RolledBack { reason } | RolloutState::Failed { reason } => {
                    let message = format!("{} does not come up again", revision.short());
                    return Err(Stop::Failed {
                        cause: Cause::new(message).because([reason]),
                        condemns: false,
                    });
                }
                RolloutState::Superseded { by } => return Err(superseded(by)),
            };
            self.progress(shown);
            self.tick(&mut pace).await?;
        }
    }
}
