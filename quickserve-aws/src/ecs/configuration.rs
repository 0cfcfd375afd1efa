//! How ECS is told to deploy: the service's own configuration, with what is ours of it.

use std::time::Duration;

use aws_sdk_ecs::types::{
    CanaryConfiguration, DeploymentAlarms, DeploymentCircuitBreaker, DeploymentConfiguration,
    DeploymentLifecycleHook, DeploymentLifecycleHookAction, DeploymentLifecycleHookStage,
    DeploymentLifecycleHookTargetType, DeploymentLifecycleHookTimeoutConfiguration, DeploymentStrategy,
    LinearConfiguration,
};
use quickserve_core::rollout::{RolloutSpec, Way};
use quickserve_core::traffic::Percent;
use quickserve_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::history::word;

/// ECS API reference, `DeploymentLifecycleHookTimeoutConfiguration`: 24 hours.
const LONGEST_GATE: i32 = 1440;

/// A configuration with the circuit breaker and the timeouts that a client which dies relies on. Hooks that call
/// functions stay as the service has them, and so do alarms where none are named.
pub(super) fn configuration(
    of: Option<&DeploymentConfiguration>,
    spec: &RolloutSpec,
    alarms: &[String],
) -> Result<DeploymentConfiguration> {
    let mut configuration = of.cloned().unwrap_or_else(|| DeploymentConfiguration::builder().build());
    let percent = |percent: u32| {
        i32::try_from(percent)
            .map_err(|_| Error::new(ErrorKind::Invalid, format!("deploy with {percent} % of the tasks")))
    };
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
    configuration.deployment_circuit_breaker = Some(breaker);
    if !alarms.is_empty() {
        let watched =
            DeploymentAlarms::builder().set_alarm_names(Some(alarms.to_vec())).enable(true).rollback(true);
        let watched = watched.build().map_err(|error| {
            Error::new(ErrorKind::Unexpected, "name the alarms of the deployment").with_source(error)
        })?;
        configuration.alarms = Some(watched);
    }
    configuration.minimum_healthy_percent = Some(percent(spec.minimum_healthy_percent)?);
    configuration.maximum_percent = Some(percent(spec.maximum_percent)?);
    if spec.way == Way::Rolling {
        return Ok(configuration);
    }
    configuration.strategy = Some(strategy(spec.way));
    // What bakes is ours, at the last gate, and may be taken back at once.
    configuration.bake_time_in_minutes = Some(0);
    configuration.canary_configuration = match spec.way {
        Way::Canary { percent, bake } => Some(
            CanaryConfiguration::builder()
                .canary_percent(part(percent))
                .canary_bake_time_in_minutes(minutes(bake)?)
                .build(),
        ),
        _ => None,
    };
    configuration.linear_configuration = match spec.way {
        Way::Linear { percent, bake } => Some(
            LinearConfiguration::builder()
                .step_percent(part(percent))
                .step_bake_time_in_minutes(minutes(bake)?)
                .build(),
        ),
        _ => None,
    };
    configuration.early_success_criteria = None;
    let mut hooks = configuration.lifecycle_hooks.take().unwrap_or_default();
    hooks.retain(|hook| hook.target_type() != Some(&DeploymentLifecycleHookTargetType::Pause));
    hooks.extend(pauses(spec));
    configuration.lifecycle_hooks = Some(hooks);
    Ok(configuration)
}

/// The same for a service that is made: members of its JSON. Its first release waits at no gate.
pub(super) fn members(spec: &RolloutSpec) -> Result<Vec<(&'static str, Value)>> {
    if spec.way == Way::Rolling {
        return Ok(Vec::new());
    }
    let mut members = vec![("strategy", json!(strategy(spec.way).as_str())), ("bakeTimeInMinutes", json!(0))];
    match spec.way {
        Way::Canary { percent, bake } => members.push((
            "canaryConfiguration",
            json!({ "canaryPercent": part(percent), "canaryBakeTimeInMinutes": minutes(bake)? }),
        )),
        Way::Linear { percent, bake } => members.push((
            "linearConfiguration",
            json!({ "stepPercent": part(percent), "stepBakeTimeInMinutes": minutes(bake)? }),
        )),
        Way::Rolling | Way::BlueGreen => {}
    }
    Ok(members)
}

fn strategy(way: Way) -> DeploymentStrategy {
    match way {
        Way::Rolling => DeploymentStrategy::Rolling,
        Way::BlueGreen => DeploymentStrategy::BlueGreen,
        Way::Canary { .. } => DeploymentStrategy::Canary,
        Way::Linear { .. } => DeploymentStrategy::Linear,
    }
}

/// One hook that pauses at every gate: who never comes back leaves a deployment that goes back by itself.
fn pauses(spec: &RolloutSpec) -> Option<DeploymentLifecycleHook> {
    if spec.gates.is_empty() {
        return None;
    }
    let whole = spec.gate_timeout.as_secs().div_ceil(60);
    let timeout = DeploymentLifecycleHookTimeoutConfiguration::builder()
        .timeout_in_minutes(i32::try_from(whole).unwrap_or(LONGEST_GATE).clamp(1, LONGEST_GATE))
        .action(DeploymentLifecycleHookAction::Rollback)
        .build();
    let stages = spec.gates.iter().map(|stage| DeploymentLifecycleHookStage::from(word(*stage))).collect();
    Some(
        DeploymentLifecycleHook::builder()
            .target_type(DeploymentLifecycleHookTargetType::Pause)
            .set_lifecycle_stages(Some(stages))
            .timeout_configuration(timeout)
            .build(),
    )
}

fn part(percent: Percent) -> f64 {
    f64::from(percent.tenths()) / 10.0
}

fn minutes(time: Duration) -> Result<i32> {
    let whole = time.as_secs() / 60;
    if !time.as_secs().is_multiple_of(60) || time.subsec_nanos() != 0 {
        return Err(Error::new(ErrorKind::Unsupported, format!("wait {time:?}: ECS counts whole minutes")));
    }
    i32::try_from(whole)
        .ok()
        .filter(|whole| *whole <= LONGEST_GATE)
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("wait {time:?}: ECS waits 24 h at most")))
}
