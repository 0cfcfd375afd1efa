//! The service as ECS describes it, and which services are not ours to deploy.

use aws_sdk_ecs::types::{
    Deployment as SdkDeployment, DeploymentController, DeploymentControllerType, DeploymentRolloutState,
    DeploymentStrategy, SchedulingStrategy, Service, ServiceField,
};
use aws_smithy_types::DateTime;
use quickserve_core::rollout::{Stage, Way};
use quickserve_core::{Error, ErrorKind, Result};

use super::platform::Ecs;
use super::verdict::{Deployment, State};
use crate::error::{Call, call};

const DESCRIBE: Call = call("ecs", "DescribeServices");
/// The tag of a service that we made; any other is not ours to remove.
pub(super) const MADE_TAG: &str = "quickserve:made";

/// A service that exists.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) service: Service,
    pub(super) deployments: Vec<Deployment>,
}

impl Live {
    /// What the service heads for.
    pub(super) fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.primary)
    }

    pub(crate) fn desired(&self) -> u32 {
        count(self.service.desired_count())
    }

    /// Whether it is being removed: its tasks still stop.
    pub(super) fn is_draining(&self) -> bool {
        self.service.status() == Some("DRAINING")
    }

    pub(super) fn is_ours(&self) -> bool {
        self.service.tags().iter().any(|tag| tag.key() == Some(MADE_TAG))
    }

    /// Refuses a service that is deployed by other means than by ECS itself, or cannot be in this way.
    pub(crate) fn deployable(&self, way: Way, gates: &[Stage]) -> Result<()> {
        self.controllable()?;
        match (way, self.strategy()) {
            (Way::Rolling, other) if other != DeploymentStrategy::Rolling => {
                let name = self.service.service_name().unwrap_or_default();
                let why =
                    format!("service {name} has the deployment strategy {other}, and rolling was asked for");
                Err(Error::new(ErrorKind::Unsupported, why)
                    .with_hint("set the service's strategy to ROLLING, or ask for blue-green"))
            }
            (Way::Rolling, _) => Ok(()),
            (way, _) => self.shiftable(way, gates),
        }
    }

    /// Refuses a service that is deployed by other means than by ECS itself.
    pub(crate) fn controllable(&self) -> Result<()> {
        let refuse =
            |why: String, hint: &str| Err(Error::new(ErrorKind::Unsupported, why).with_hint(hint.to_owned()));
        let name = self.service.service_name().unwrap_or_default();
        if self.is_draining() {
            let message = format!("deploy service {name}: it is being removed, and its tasks still stop");
            return Err(Error::new(ErrorKind::Conflict, message).temporary());
        }
        match self.service.deployment_controller().map(DeploymentController::r#type) {
            Some(DeploymentControllerType::CodeDeploy) => {
                return refuse(
                    format!(
                        "service {name} is deployed by CodeDeploy (controller CODE_DEPLOY), which changes it past ECS's deployments"
                    ),
                    "move it to the controller ECS, which has blue/green of its own",
                );
            }
            Some(DeploymentControllerType::External) => {
                return refuse(
                    format!(
                        "service {name} is deployed by another program (controller EXTERNAL), by task sets"
                    ),
                    "move it to the controller ECS",
                );
            }
            _ => {}
        }
        if self.service.scheduling_strategy() == Some(&SchedulingStrategy::Daemon) {
            return refuse(
                format!(
                    "service {name} is a DAEMON: one task on each instance, stopped before its successor starts"
                ),
                "its releases cannot stand side by side; deploy it by its own means",
            );
        }
        Ok(())
    }

    /// Refuses a service whose requests ECS cannot move between two sets of tasks, and says what it lacks.
    fn shiftable(&self, way: Way, gates: &[Stage]) -> Result<()> {
        let name = self.service.service_name().unwrap_or_default();
        let lacks = |what: String| {
            let message = format!("deploy service {name} as {way}: {what}");
            Err(Error::new(ErrorKind::Unsupported, message).with_hint(
                "give its load balancers an advancedConfiguration: alternateTargetGroupArn, \
                 productionListenerRule, testListenerRule and roleArn",
            ))
        };
        if self.service.load_balancers().is_empty() {
            return lacks("it has no load balancer that could move requests".to_owned());
        }
        for balancer in self.service.load_balancers() {
            let group = balancer.target_group_arn().unwrap_or("a load balancer");
            let Some(advanced) = balancer.advanced_configuration() else {
                return lacks(format!("{group} has no advancedConfiguration"));
            };
            let tested = gates.contains(&Stage::PostTestTrafficShift);
            let missing: Vec<&str> = [
                ("alternateTargetGroupArn", advanced.alternate_target_group_arn().is_none()),
                ("productionListenerRule", advanced.production_listener_rule().is_none()),
                ("testListenerRule", tested && advanced.test_listener_rule().is_none()),
                ("roleArn", advanced.role_arn().is_none()),
            ]
            .into_iter()
            .filter_map(|(member, missing)| missing.then_some(member))
            .collect();
            if !missing.is_empty() {
                return lacks(format!("{group} lacks {}", missing.join(", ")));
            }
        }
        Ok(())
    }

    /// How ECS replaces its tasks.
    pub(super) fn strategy(&self) -> DeploymentStrategy {
        let configured = self.service.deployment_configuration().and_then(|it| it.strategy());
        configured.cloned().unwrap_or(DeploymentStrategy::Rolling)
    }

    /// When the deployment was made, where the service still lists it.
    pub(super) fn made(&self, id: &str) -> Option<DateTime> {
        let deployment = self.service.deployments().iter().find(|it| it.id() == Some(id));
        deployment.and_then(|it| it.created_at().copied())
    }
}

impl Ecs {
    /// The service, if there is one; also while it is being removed.
    pub(super) async fn live(&self) -> Result<Option<Live>> {
        live(self.client(), self.cluster(), self.service()).await
    }
}

/// A service of a cluster, if there is one; also while it is being removed.
pub(crate) async fn live(client: &aws_sdk_ecs::Client, cluster: &str, service: &str) -> Result<Option<Live>> {
    let request = client.describe_services().cluster(cluster).services(service).include(ServiceField::Tags);
    let answer =
        request.send().await.map_err(|error| DESCRIBE.failed(error).with_context("cluster", cluster))?;
    if let Some(failure) = answer.failures().iter().find(|failure| failure.reason() != Some("MISSING")) {
        return Err(DESCRIBE.refused(failure.reason().unwrap_or("a failure"), failure.detail()));
    }
    let service = answer.services.into_iter().flatten().find(|it| it.status() != Some("INACTIVE"));
    Ok(service.map(|service| {
        let deployments = service.deployments().iter().map(deployment).collect();
        Live { service, deployments }
    }))
}

pub(super) fn deployment(of: &SdkDeployment) -> Deployment {
    let state = match of.rollout_state() {
        Some(DeploymentRolloutState::Completed) => State::Completed,
        Some(DeploymentRolloutState::Failed) => State::Failed,
        _ => State::InProgress,
    };
    Deployment {
        id: of.id().unwrap_or_default().to_owned(),
        revision: of.task_definition().unwrap_or_default().to_owned(),
        primary: of.status() == Some("PRIMARY"),
        state,
        desired: count(of.desired_count()),
        running: count(of.running_count()),
        pending: count(of.pending_count()),
        failed: count(of.failed_tasks()),
        reason: of.rollout_state_reason().map(str::to_owned),
    }
}

pub(super) fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
