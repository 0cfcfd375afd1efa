//! ECS's deployments as rollouts of the core: begun, found and judged by what ECS says of them.

use std::net::SocketAddr;

use async_trait::async_trait;
use aws_sdk_ecs::types::{DeploymentStrategy, Service};
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::Revision;
use quickserve_core::release::ReleaseId;
use quickserve_core::rollout::{
    Answer, Answered, GateId, ManagedRollout, RolloutId, RolloutProgress, RolloutSpec, RolloutState, Started,
};
use quickserve_core::{Error, ErrorKind, Result};

use super::configuration::configuration;
use super::fence::fenced;
use super::history::{Record, same_revision};
use super::platform::Ecs;
use super::service::{Live, deployment};
use super::verdict::{Deployment, State, Verdict, verdict};
use crate::error::{Call, call};

const UPDATE: Call = call("ecs", "UpdateService");

/// A rollout's name: the deployment's, and its revision's behind it, because ECS forgets deployments and keeps
/// its record of them by revision.
pub(super) fn rollout_id(of: &Deployment) -> RolloutId {
    let revision = of.revision.rsplit('/').next().unwrap_or_default();
    RolloutId(format!("{}@{revision}", of.id))
}

pub(super) fn parts(rollout: &RolloutId) -> Result<(&str, &str)> {
    rollout.0.split_once('@').ok_or_else(|| {
        Error::new(ErrorKind::Invalid, format!("read {rollout} as an ECS deployment and its revision"))
    })
}

impl Ecs {
    async fn begin(&self, fence: &Fence, from: Option<&RolloutId>, spec: &RolloutSpec) -> Result<Started> {
        let Some(live) = self.live().await? else {
            if from.is_some() {
                return Ok(Started::Superseded("the service is gone".to_owned()));
            }
            let service = self.create(fence, spec).await?;
            return Ok(Started::Rollout(heading_for(&service, &spec.revision)?));
        };
        live.deployable(spec.way, &spec.gates)?;
        let newest = live.primary().map(rollout_id);
        if let Some(primary) = live.primary().filter(|primary| leads(primary, from, spec)) {
            if spec.tasks.is_some_and(|tasks| tasks != live.desired()) {
                self.update(fence, &live, spec, false).await?;
            }
            return Ok(Started::Rollout(rollout_id(primary)));
        }
        if newest.as_ref() != from {
            let by = newest.map_or_else(|| "no deployment".to_owned(), |newest| newest.to_string());
            return Ok(Started::Superseded(by));
        }
        if live.is_gated() {
            let message = format!("deploy service {}: another deployment is under way", self.service());
            return Err(Error::new(ErrorKind::Conflict, message).with_hint("have it taken back first"));
        }
        // A failed deployment to the same revision is not begun anew by naming the revision once more.
        let same = live.primary().is_some_and(|it| same_revision(&it.revision, &spec.revision.0));
        let service = self.update(fence, &live, spec, spec.fresh || same).await?;
        Ok(Started::Rollout(heading_for(&service, &spec.revision)?))
    }

    /// What is not named stays: network, load balancers, alarms, the number of tasks where it is others'.
    async fn update(&self, fence: &Fence, live: &Live, spec: &RolloutSpec, force: bool) -> Result<Service> {
        let request = self
            .client()
            .update_service()
            .cluster(self.cluster())
            .service(self.service())
            .task_definition(&spec.revision.0)
            .set_desired_count(spec.tasks.map(|tasks| i32::try_from(tasks).unwrap_or(i32::MAX)))
            .deployment_configuration(configuration(
                live.service.deployment_configuration(),
                spec,
                self.alarms(),
            )?)
            .set_force_new_deployment(force.then_some(true));
        let request = request.customize().config_override(fenced(fence, self.now())?);
        let answer = request.send().await.map_err(|error| UPDATE.failed(error))?;
        answer.service.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "ecs:UpdateService: read the answer, which holds no service")
        })
    }

    async fn stand(&self, rollout: &RolloutId) -> Result<RolloutState> {
        let (id, revision) = parts(rollout)?;
        let Some(live) = self.live().await? else {
            return Ok(RolloutState::Superseded { by: "the service is gone".to_owned() });
        };
        if live.is_draining() {
            return Ok(RolloutState::Superseded { by: "the service is being removed".to_owned() });
        }
        let found = verdict(id, &live.deployments);
        if live.strategy() != DeploymentStrategy::Rolling {
            return self.stand_gated(&live, id, revision, found).await;
        }
        Ok(match found {
            Verdict::Running(progress) => RolloutState::Running(progress),
            Verdict::Failed(reason) => RolloutState::Failed { reason: self.better(revision, reason).await },
            Verdict::TakenBack(reason) => {
                RolloutState::RolledBack { reason: self.better(revision, reason).await }
            }
            Verdict::Complete => match self.record(revision, live.made(id)).await? {
                Record::Successful | Record::None => RolloutState::Succeeded,
                record => ended(record, "complete, and not successful in ECS's record"),
            },
            Verdict::Replaced(by) => match self.record(revision, live.made(id)).await? {
                Record::Successful | Record::None => RolloutState::Superseded { by },
                record => ended(record, &by),
            },
        })
    }
}

impl Ecs {
    /// The reason by ECS's record, which names alarms, where that says more than the deployment does.
    async fn better(&self, revision: &str, reason: String) -> String {
        match self.record(revision, None).await {
            Ok(Record::RolledBack(recorded) | Record::RollbackFailed(recorded))
                if recorded.starts_with("alarm ") =>
            {
                recorded
            }
            // What is known stands, whatever the record says or whether it can be read.
            _ => reason,
        }
    }
}

pub(super) fn ended(record: Record, by: &str) -> RolloutState {
    match record {
        Record::RolledBack(reason) => RolloutState::RolledBack { reason },
        Record::RollbackFailed(reason) => {
            RolloutState::Failed { reason: format!("{reason}; ECS could not take it back") }
        }
        Record::Open(open) => {
            let note = Some(format!("{}: {by}", open.status.to_lowercase().replace('_', " ")));
            RolloutState::Running(RolloutProgress { note, ..RolloutProgress::default() })
        }
        Record::None | Record::Successful | Record::Stopped(_) => {
            RolloutState::Superseded { by: by.to_owned() }
        }
    }
}

/// Whether the newest deployment leads to the revision already, so that nothing is to be started.
fn leads(primary: &Deployment, from: Option<&RolloutId>, spec: &RolloutSpec) -> bool {
    let renewed = !spec.fresh || from != Some(&rollout_id(primary));
    same_revision(&primary.revision, &spec.revision.0) && primary.state != State::Failed && renewed
}

/// The deployment that a change of the service has made.
fn heading_for(service: &Service, revision: &Revision) -> Result<RolloutId> {
    let deployments: Vec<Deployment> = service.deployments().iter().map(deployment).collect();
    let primary = deployments.iter().find(|it| it.primary && same_revision(&it.revision, &revision.0));
    primary.map(rollout_id).ok_or_else(|| {
        let message =
            format!("start a deployment of {revision}: the service does not head for it after the call");
        Error::new(ErrorKind::Unexpected, message).temporary()
    })
}

#[async_trait]
impl ManagedRollout for Ecs {
    async fn start(&self, fence: &Fence, from: Option<&RolloutId>, spec: &RolloutSpec) -> Result<Started> {
        self.begin(fence, from, spec).await
    }

    async fn find(&self, release: &ReleaseId) -> Result<Option<RolloutId>> {
        let Some(live) = self.live().await? else { return Ok(None) };
        // Newest first, as ECS lists them.
        for deployment in &live.deployments {
            if self.known(&deployment.revision).await?.release.as_ref() == Some(release) {
                return Ok(Some(rollout_id(deployment)));
            }
        }
        Ok(None)
    }

    async fn state(&self, rollout: &RolloutId) -> Result<RolloutState> {
        self.stand(rollout).await
    }

    async fn answer(
        &self,
        fence: &Fence,
        rollout: &RolloutId,
        gate: &GateId,
        answer: Answer,
    ) -> Result<Answered> {
        self.answer_gate(fence, rollout, gate, answer).await
    }

    async fn abort(&self, fence: &Fence, rollout: &RolloutId) -> Result<()> {
        self.take_back(fence, rollout).await
    }

    async fn preview(&self) -> Result<Option<SocketAddr>> {
        self.test_listener().await
    }

    async fn withdraw(&self, fence: &Fence) -> Result<bool> {
        self.remove(fence).await
    }
}
