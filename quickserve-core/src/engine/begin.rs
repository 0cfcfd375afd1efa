//! What a deployment begins with: its record, and whether there is anything to begin.

use super::closed::closed;
use super::deployer::Deployer;
use super::parts::Request;
use super::vitals::Vitals;
use crate::error::Result;
use crate::journal::{Act, DeploymentId, Journal, Opened};
use crate::orchestrator::{Drive, Health, TaskPhase, TaskState};
use crate::plan::{Goal, Purpose};
use crate::release::{Release, ReleaseId};

/// The oldest version of QuickServe that can finish what this one begins.
const NEEDS: &str = "0.1.0";

/// The name of the service's nth deployment.
fn deployment_id(day: &str, number: usize) -> DeploymentId {
    DeploymentId(format!("d-{day}-{number}"))
}

/// A release that is promoted and serves already has nothing to prove.
pub(super) fn purpose_of(journal: &Journal, release: &ReleaseId) -> Purpose {
    let current = journal.state().current() == Some(release) && journal.state().open.is_none();
    if current { Purpose::Restore } else { Purpose::Prove }
}
impl Deployer {
    /// The record that opens a deployment.
    pub(super) fn opened(
        &self,
        journal: &Journal,
        act: Act,
        goal: Goal,
        purpose: Purpose,
        request: Option<&Request>,
    ) -> Opened {
        let state = journal.state();
        let day = self.parts.clock.now().strftime("%Y%m%d").to_string();
        let deployment = deployment_id(&day, state.deployments.len() + 1);
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
            needs: NEEDS.to_owned(),
            goal,
            purpose,
            release,
            fallback: state.current().cloned(),
            config,
        }
    }

    /// Whether a deployment of a release would change nothing: its goal is reached, and so is the service as it is
    /// asked for.
    pub(super) async fn is_deployed(&self, goal: &Goal, release: &Release) -> Result<bool> {
        if !self.is_reached(goal, Some(release)).await? {
            return Ok(false);
        }
        match self.parts.platform.drive() {
            Drive::Stepwise { router, .. } if release.workload.endpoint.is_some() => {
                let (split, _) = router.split().await?;
                Ok(router.is_as_asked(&split).await? && router.closed().await?.is_none())
            }
            Drive::Stepwise { .. } | Drive::Managed(_) => Ok(true),
        }
    }

    /// Why no client reaches a release that serves, where that is so.
    pub(super) async fn closed(&self, release: Option<&Release>) -> Option<String> {
        closed(&self.parts.platform.drive(), self.parts.clock.as_ref(), release).await
    }

    /// Whether a goal is reached already: in full, as far as one look at each task shows well, and with
    /// nothing else there.
    pub(super) async fn is_reached(&self, goal: &Goal, release: Option<&Release>) -> Result<bool> {
        let observed = self.parts.platform.observe().await?;
        let tasks = match goal {
            Goal::Serve { tasks, .. } => *tasks as usize,
            Goal::Nothing => 0,
            Goal::Before { revision } => {
                let rollout = observed.rollout.as_ref();
                return Ok(rollout.is_some_and(|it| it.succeeded && it.revision == *revision));
            }
        };
        let wanted = |other: &ReleaseId| goal.release() == Some(other);
        let alone = observed.sets.iter().all(|(other, set)| wanted(other) || set.tasks.is_empty());
        let Some(release) = release else { return Ok(alone && observed.split.routes.is_empty()) };
        if let Some(rollout) = &observed.rollout {
            let there = rollout.succeeded && rollout.release.as_ref() == Some(&release.id);
            let healthy = observed.set(&release.id).healthy().count();
            return Ok(there && alone && rollout.desired as usize == tasks && healthy == tasks);
        }
        let mut set = observed.set(&release.id);
        let mut vitals = Vitals::of(&self.parts);
        vitals.examine(&mut set, &release.workload, self.parts.clock.now()).await?;
        let well = |task: &&TaskState| {
            task.phase == TaskPhase::Running
                && !matches!(task.health, Health::Unhealthy(_))
                && vitals.last_failure(&task.id).is_none()
        };
        let reachable = |task: &&TaskState| observed.split.references(&task.id);
        let routed = match &release.workload.endpoint {
            None => true,
            Some(_) => {
                observed.split.routes.len() == tasks.min(1) && set.live().filter(reachable).count() == tasks
            }
        };
        Ok(alone && routed && set.tasks.len() == tasks && set.live().filter(well).count() == tasks)
    }
}
