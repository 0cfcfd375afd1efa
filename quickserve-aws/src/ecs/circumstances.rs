//! What keeps a release from coming up beside its tasks' ends: targets, the service's events, alarms.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use aws_sdk_ecs::types::{DeploymentConfiguration, Service};
use aws_sdk_elasticloadbalancingv2::types::{TargetHealthDescription, TargetHealthStateEnum};
use jiff::Timestamp;
use quickserve_core::{Error, Result};

use super::events;
use super::platform::Ecs;
use crate::error::{Call, call};

const TARGETS: Call = call("elasticloadbalancing", "DescribeTargetHealth");
const ALARMS: Call = call("cloudwatch", "DescribeAlarms");

impl Ecs {
    /// In words: what cannot be asked is one of them, and hides none of the others.
    pub(super) async fn known_beside(&self, since: Timestamp) -> Result<Vec<String>> {
        let Some(live) = self.live().await? else { return Ok(Vec::new()) };
        let service = &live.service;
        let mut known = events::noteworthy(service.events(), since);
        for group in groups(service) {
            match self.unhealthy(group).await {
                Ok(unhealthy) => known.extend(unhealthy),
                Err(error) => {
                    known.push(unasked(&format!("the health of target group {}", name(group)), &error));
                }
            }
        }
        let alarms = service.deployment_configuration().and_then(DeploymentConfiguration::alarms);
        let watched = alarms.filter(|alarms| alarms.enable()).map(|alarms| alarms.alarm_names().to_vec());
        if let Some(names) = watched.filter(|names| !names.is_empty()) {
            match self.firing(names).await {
                Ok(firing) => known.extend(firing),
                Err(error) => known.push(unasked("the state of its alarms", &error)),
            }
        }
        Ok(known)
    }

    /// Targets of a group that fail its checks, those that do so alike together.
    async fn unhealthy(&self, group: &str) -> Result<Vec<String>> {
        let request = self.clients().load_balancing().describe_target_health().target_group_arn(group);
        let answer = request.send().await.map_err(|error| TARGETS.failed(error))?;
        let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
        for reason in answer.target_health_descriptions().iter().filter_map(failing) {
            *reasons.entry(reason).or_default() += 1;
        }
        let told = reasons.into_iter().map(|(reason, count)| {
            let targets = if count == 1 { "target" } else { "targets" };
            let is = if count == 1 { "is" } else { "are" };
            format!("{count} {targets} of {} {is} unhealthy: {reason}", name(group))
        });
        Ok(told.collect())
    }

    /// Those of the alarms that are in ALARM.
    async fn firing(&self, names: Vec<String>) -> Result<Vec<String>> {
        let request = self.clients().cloudwatch().describe_alarms().set_alarm_names(Some(names));
        let request = request.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
        let answer =
            request.state_value(StateValue::Alarm).send().await.map_err(|error| ALARMS.failed(error))?;
        let metric = answer.metric_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_reason()));
        let composite =
            answer.composite_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_reason()));
        let told = metric.chain(composite).map(|(name, reason)| {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("alarm {} is in ALARM{reason}", name.unwrap_or_default())
        });
        Ok(told.collect())
    }
}

/// The target groups that the service's tasks are registered with; of a blue/green service both.
fn groups(service: &Service) -> Vec<&str> {
    let balancers = service.load_balancers().iter();
    let mut groups: Vec<&str> = balancers
        .flat_map(|balancer| {
            let other = balancer.advanced_configuration().and_then(|it| it.alternate_target_group_arn());
            balancer.target_group_arn().into_iter().chain(other)
        })
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Why a target is unhealthy, if it is: the code and the words of Elastic Load Balancing.
fn failing(target: &TargetHealthDescription) -> Option<String> {
    let health = target.target_health()?;
    if health.state() != Some(&TargetHealthStateEnum::Unhealthy) {
        return None;
    }
    let code = health.reason().map_or("no reason", |reason| reason.as_str());
    let words = health.description().map(|words| format!(" ({words})")).unwrap_or_default();
    Some(format!("{code}{words}"))
}

/// `targetgroup/NAME/0123456789abcdef`, as people know it.
fn name(group: &str) -> &str {
    group.rsplit('/').nth(1).unwrap_or(group)
}

fn unasked(what: &str, error: &Error) -> String {
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{what} could not be asked: {error}{hint}")
}
