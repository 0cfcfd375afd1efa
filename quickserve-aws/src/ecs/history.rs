//! ECS's own record of how its deployments ended.

use aws_sdk_ecs::types::{
    CreatedAt, DeploymentLifecycleHookStatus, DeploymentLifecycleHookTargetType, ServiceDeployment,
    ServiceDeploymentAlarms, ServiceDeploymentStatus as Status,
};
use aws_smithy_types::DateTime;
use quickserve_core::Result;
use quickserve_core::rollout::{GateId, Stage};
use quickserve_core::traffic::Percent;

use super::platform::Ecs;
use crate::error::{Call, call};

const LIST: Call = call("ecs", "ListServiceDeployments");
const REVISIONS: Call = call("ecs", "DescribeServiceRevisions");
const DESCRIBE: Call = call("ecs", "DescribeServiceDeployments");
/// ECS API reference: at most 20 ARNs in one call.
const AT_ONCE: i32 = 20;

/// How the newest deployment to a revision stands, by ECS's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// ECS keeps none, or none is seen yet.
    None,
    /// Not over.
    Open(Open),
    Successful,
    RolledBack(String),
    RollbackFailed(String),
    /// It was stopped, or another one took its place.
    Stopped(String),
}

/// A deployment that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    /// The deployment's ARN.
    pub(super) arn: String,
    /// In ECS's word for it.
    pub(super) status: String,
    /// Where it is.
    pub(super) stage: Option<String>,
    /// The gate at which it waits for an answer.
    pub(super) gate: Option<GateId>,
    /// The part of ordinary requests that its tasks are to get.
    pub(super) production: Option<Percent>,
}

impl Open {
    /// Whether ECS takes it back, or was told to.
    pub(super) fn goes_back(&self) -> bool {
        !["PENDING", "IN_PROGRESS"].contains(&self.status.as_str())
    }

    /// Where its gate stands, where that is one of ours. The SDK's list of stages lacks one, so words are compared.
    pub(super) fn gate_stage(&self) -> Option<Stage> {
        let stages = [
            Stage::PostTestTrafficShift,
            Stage::PreProductionTrafficShift,
            Stage::PostProductionTrafficShift,
        ];
        let at = self.stage.as_deref()?;
        stages.into_iter().find(|stage| word(*stage) == at)
    }
}

/// ECS API reference, `DeploymentLifecycleHook`, `lifecycleStages`.
pub(super) fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
        Stage::PreProductionTrafficShift => "PRE_PRODUCTION_TRAFFIC_SHIFT",
        Stage::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
    }
}

/// How much earlier than the deployment that `DescribeServices` shows its record may have been made.
const SLACK: i64 = 60;

impl Ecs {
    /// ECS's record of the newest deployment to a revision, not older than `since`. No status is filtered: what ended
    /// is not missed.
    pub(super) async fn record(&self, revision: &str, since: Option<DateTime>) -> Result<Record> {
        let since = since.map(|since| DateTime::from_secs(since.secs() - SLACK));
        let listed = self
            .client()
            .list_service_deployments()
            .cluster(self.cluster())
            .service(self.service())
            .set_created_at(since.map(|since| CreatedAt::builder().after(since).build()))
            .max_results(AT_ONCE)
            .send()
            .await
            .map_err(|error| LIST.failed(error))?;
        let mut targets: Vec<String> = listed
            .service_deployments()
            .iter()
            .filter_map(|it| it.target_service_revision_arn().map(str::to_owned))
            .collect();
        targets.sort();
        targets.dedup();
        if targets.is_empty() {
            return Ok(Record::None);
        }
        let revisions = self.client().describe_service_revisions().set_service_revision_arns(Some(targets));
        let revisions = revisions.send().await.map_err(|error| REVISIONS.failed(error))?;
        let ours: Vec<&str> = revisions
            .service_revisions()
            .iter()
            .filter(|it| it.task_definition().is_some_and(|arn| same_revision(arn, revision)))
            .filter_map(|it| it.service_revision_arn())
            .collect();
        let newest = listed
            .service_deployments()
            .iter()
            .filter(|it| it.target_service_revision_arn().is_some_and(|target| ours.contains(&target)))
            .max_by_key(|it| it.created_at().map(DateTime::as_nanos));
        let Some(arn) = newest.and_then(|it| it.service_deployment_arn()) else { return Ok(Record::None) };
        let described =
            self.client().describe_service_deployments().service_deployment_arns(arn).send().await;
        let described = described.map_err(|error| DESCRIBE.failed(error))?;
        Ok(described.service_deployments().first().map_or(Record::None, read))
    }
}

/// Whether an ARN is that of a revision, which may be named without the ARN's beginning.
pub(super) fn same_revision(arn: &str, revision: &str) -> bool {
    let name = |text: &str| text.rsplit('/').next().map(str::to_owned);
    name(arn) == name(revision)
}

/// Only SUCCESSFUL is success.
fn read(deployment: &ServiceDeployment) -> Record {
    let Some(status) = deployment.status() else { return Record::None };
    match status {
        Status::Successful => Record::Successful,
        Status::RollbackSuccessful => Record::RolledBack(reason(deployment)),
        Status::RollbackFailed => Record::RollbackFailed(reason(deployment)),
        Status::Stopped => Record::Stopped(reason(deployment)),
        other => Record::Open(Open {
            arn: deployment.service_deployment_arn().unwrap_or_default().to_owned(),
            status: other.as_str().to_owned(),
            stage: deployment.lifecycle_stage().map(|stage| stage.as_str().to_owned()),
            gate: gate(deployment),
            production: production(deployment),
        }),
    }
}

fn gate(deployment: &ServiceDeployment) -> Option<GateId> {
    let waits = deployment.lifecycle_hook_details().iter().find(|hook| {
        hook.status() == Some(&DeploymentLifecycleHookStatus::AwaitingAction)
            && hook.target_type() == Some(&DeploymentLifecycleHookTargetType::Pause)
    });
    waits?.hook_id().map(|id| GateId(id.to_owned()))
}

fn production(deployment: &ServiceDeployment) -> Option<Percent> {
    let weight = deployment.target_service_revision()?.requested_production_traffic_weight()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 1000")]
    let tenths = (weight * 10.0).round().clamp(0.0, 1000.0) as u16;
    Percent::from_tenths(tenths)
}

fn reason(deployment: &ServiceDeployment) -> String {
    let alarms = deployment.alarms().map(ServiceDeploymentAlarms::triggered_alarm_names).unwrap_or_default();
    if !alarms.is_empty() {
        return format!("alarm {} fired", alarms.join(", "));
    }
    let rollback = deployment.rollback().and_then(|rollback| rollback.reason());
    rollback.or(deployment.status_reason()).unwrap_or("ECS gives no reason").to_owned()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::Rollback;

    use super::*;

    fn deployment(status: Status) -> ServiceDeployment {
        let rollback = Rollback::builder().reason("circuit breaker").build();
        ServiceDeployment::builder().status(status).rollback(rollback).build()
    }

    #[test]
    fn only_successful_is_success() {
        for status in Status::values() {
            let record = read(&deployment(Status::from(*status)));
            assert_eq!(record == Record::Successful, *status == "SUCCESSFUL", "{status}");
        }
        assert_eq!(
            read(&deployment(Status::RollbackSuccessful)),
            Record::RolledBack("circuit breaker".into())
        );
        for word in ["PENDING", "NEWER"] {
            let Record::Open(open) = read(&deployment(Status::from(word))) else { panic!("{word} is over") };
            assert_eq!((open.status.as_str(), open.gate, open.production), (word, None, None));
        }
    }

    #[test]
    fn an_alarm_is_named_before_anything_else() {
        let alarms = ServiceDeploymentAlarms::builder().triggered_alarm_names("shop-5xx").build();
        let deployment =
            ServiceDeployment::builder().status(Status::RollbackSuccessful).alarms(alarms).build();
        assert_eq!(read(&deployment), Record::RolledBack("alarm shop-5xx fired".into()));
    }

    #[test]
    fn a_revision_is_the_same_with_and_without_its_account() {
        assert!(same_revision("arn:aws:ecs:us-east-1:123456789012:task-definition/shop:7", "shop:7"));
        assert!(!same_revision("arn:aws:ecs:us-east-1:123456789012:task-definition/shop:7", "shop:17"));
    }
}
