//! QS614 to QS616: the load balancer fits the container, and can shift traffic.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::operation::describe_listeners::DescribeListenersError;
use aws_sdk_elasticloadbalancingv2::operation::describe_rules::DescribeRulesError;
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::DescribeTargetGroupsError;
use aws_sdk_elasticloadbalancingv2::types::{Action, ForwardActionConfig, TargetGroup, TargetTypeEnum};
use futures_util::future::join_all;
use quickserve_core::Result;
use quickserve_core::config::Strategy;
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;
use quickserve_core::workload::Probe;

use super::balancer::{Balancer, Shift};
use super::declared::Declared;
use super::subject::Subject;
use super::told::told;
use crate::clients::Clients;
use crate::error::{Call, call};

const GROUPS: Call = call("elasticloadbalancing", "DescribeTargetGroups");
const ATTRIBUTES: Call = call("elasticloadbalancing", "DescribeTargetGroupAttributes");
const RULES: Call = call("elasticloadbalancing", "DescribeRules");
const LISTENERS: Call = call("elasticloadbalancing", "DescribeListeners");
const DELAY: &str = "deregistration_delay.timeout_seconds";

/// Looks at all that stands in front of the service.
pub(super) async fn targets(
    clients: &Clients,
    subject: &Subject,
    declared: &Declared,
    balancers: &[Balancer],
) -> Report {
    let mut report = Report::default();
    if balancers.is_empty() && subject.strategy != Strategy::Rolling {
        report = report.and(unshiftable("the service has no load balancer", &subject.service));
    }
    for balancer in balancers {
        report = report.and(Report::of(backend(subject, balancer)));
    }
    let arns: BTreeSet<&str> = balancers.iter().flat_map(Balancer::target_groups).collect();
    let groups = arns.iter().map(|arn| async move {
        told(&format!("target group {}", short(arn)), group(clients, subject, declared, arn).await)
    });
    let shifted = balancers.iter().filter(|_| subject.strategy != Strategy::Rolling);
    let shifts =
        shifted.map(|balancer| async move { told("shifting traffic", shift(clients, balancer).await) });
    let (groups, shifts) = futures_util::future::join(join_all(groups), join_all(shifts)).await;
    groups.into_iter().chain(shifts).fold(report, Report::and)
}

/// `targetgroup/<name>/<id>` of an ARN is the name to people.
fn short(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

/// The container and the port that requests are sent to are in the task definition.
fn backend(subject: &Subject, balancer: &Balancer) -> Vec<Finding> {
    let (Some(name), Some(port)) = (&balancer.container, balancer.port) else { return Vec::new() };
    let message = match subject.workload.container(name) {
        None => {
            format!("the load balancer sends requests to container {name}, which the task definition lacks")
        }
        Some(container) if !container.ports.iter().any(|it| i32::from(*it) == port) => {
            format!(
                "the load balancer sends requests to port {port} of container {name}, which does not map it"
            )
        }
        Some(_) => return Vec::new(),
    };
    let hint = "let containerName and containerPort of the service name a port of the task definition";
    vec![Finding::error(Code::TARGET_GROUP, message).on(&*subject.service).with_hint(hint)]
}

async fn group(clients: &Clients, subject: &Subject, declared: &Declared, arn: &str) -> Result<Report> {
    let elb = clients.load_balancing();
    let groups = match elb.describe_target_groups().target_group_arns(arn).send().await {
        Ok(answer) => answer.target_groups.unwrap_or_default(),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(DescribeTargetGroupsError::is_target_group_not_found_exception) =>
        {
            Vec::new()
        }
        Err(error) => return Err(GROUPS.failed(error)),
    };
    let Some(group) = groups.first() else {
        let message = format!("target group {} does not exist", short(arn));
        return Ok(Report::of(vec![Finding::error(Code::TARGET_GROUP, message).on(arn)]));
    };
    let mut report = Report::of(fits(subject, declared, arn, group));
    let request = elb.describe_target_group_attributes().target_group_arn(arn);
    let answer = request.send().await.map_err(|error| ATTRIBUTES.failed(error))?;
    let delay = answer.attributes().iter().find(|it| it.key() == Some(DELAY)).and_then(|it| it.value());
    if let Some(seconds) = delay.and_then(|seconds| seconds.parse().ok()) {
        report = report.and(Report::of(drains(subject, arn, Duration::from_secs(seconds))));
    }
    Ok(report)
}

/// Whether a target group takes tasks of this network mode, and asks for the health that the service has.
fn fits(subject: &Subject, declared: &Declared, arn: &str, group: &TargetGroup) -> Vec<Finding> {
    let name = short(arn);
    let mut findings = Vec::new();
    // ECS documentation, "Service load balancing considerations".
    let (mode, wanted) = match declared.network_mode.as_deref() {
        Some("awsvpc") => ("awsvpc", TargetTypeEnum::Ip),
        other => (other.unwrap_or("bridge"), TargetTypeEnum::Instance),
    };
    if let Some(kind) = group.target_type()
        && *kind != wanted
    {
        let message = format!(
            "target group {name} takes targets of type {kind}, and network mode {mode} needs {wanted}"
        );
        let hint = format!("make one of type {wanted}; the type of a target group cannot be changed");
        findings.push(Finding::error(Code::TARGET_GROUP, message).on(arn).with_hint(hint));
    }
    let warn = |message: String, hint: &str| {
        Finding::new(Code::TARGET_GROUP, Severity::Warning, message).on(arn).with_hint(hint)
    };
    if let (Some(theirs), Probe::Http { path }) = (group.health_check_path(), &subject.workload.gate.probe)
        && theirs != path
    {
        let message = format!("target group {name} asks for {theirs}, and the service's health is at {path}");
        findings.push(warn(
            message,
            "ask for the same path, or say in quickserve.toml that health_check is the other",
        ));
    }
    let ports = subject.workload.containers.iter().flat_map(|container| &container.ports);
    let asked = group.health_check_port().and_then(|port| port.parse::<u16>().ok());
    if let Some(asked) = asked.filter(|asked| mode == "awsvpc" && !ports.clone().any(|port| port == asked)) {
        let message = format!("target group {name} asks for health at port {asked}, which no container maps");
        findings.push(warn(message, "let it ask at traffic-port"));
    }
    findings
}

/// Whether requests have as long to end as the deployment gives them, and tasks end within the deployment.
fn drains(subject: &Subject, arn: &str, delay: Duration) -> Vec<Finding> {
    let name = short(arn);
    let (drain, stop, timeout) = (subject.drain_timeout, subject.workload.stop_timeout(), subject.timeout);
    let (message, hint) = if delay < drain {
        let message = format!(
            "target group {name} gives requests {} s to end, and drain_timeout is {} s",
            delay.as_secs(),
            drain.as_secs()
        );
        (message, format!("set {DELAY} to {}, or lower drain_timeout", drain.as_secs()))
    } else if delay + stop >= timeout {
        let message = format!(
            "an old task takes up to {} s to end ({} s in target group {name}, {} s to stop), and a deployment has {} s",
            (delay + stop).as_secs(),
            delay.as_secs(),
            stop.as_secs(),
            timeout.as_secs()
        );
        (message, format!("lower {DELAY} to what the longest request takes, or raise timeout"))
    } else {
        return Vec::new();
    };
    vec![Finding::new(Code::DEREGISTRATION_DELAY, Severity::Warning, message).on(arn).with_hint(hint)]
}

/// Whether traffic can be shifted: two target groups, and what is in front of them forwards to both.
async fn shift(clients: &Clients, balancer: &Balancer) -> Result<Report> {
    let Balancer { target_group: Some(first), shift: Some(shift), .. } = balancer else {
        return Ok(lacking(balancer, "it has one target group and no rule to shift traffic with"));
    };
    let Shift { alternate: Some(second), production: Some(production), test, .. } = shift else {
        return Ok(lacking(balancer, "it lacks alternateTargetGroupArn or productionListenerRule"));
    };
    let mut forwarded = BTreeMap::new();
    for rule in [Some(production), test.as_ref()].into_iter().flatten() {
        let Some(groups) = forwards(clients, rule).await? else {
            return Ok(lacking(balancer, &format!("rule {rule} does not exist")));
        };
        forwarded.insert(rule, groups);
    }
    let missing =
        [first, second].into_iter().find(|group| !forwarded.values().any(|groups| groups.contains(*group)));
    Ok(match missing {
        Some(group) => lacking(balancer, &format!("no rule forwards to target group {}", short(group))),
        None => Report::of(Vec::new()),
    })
}

fn lacking(balancer: &Balancer, why: &str) -> Report {
    unshiftable(why, balancer.target_group.as_deref().unwrap_or("load balancer"))
}

fn unshiftable(why: &str, on: &str) -> Report {
    let finding = Finding::error(Code::TRAFFIC_SHIFT, format!("traffic cannot be shifted: {why}")).on(on);
    Report::of(vec![finding.with_hint(
        "name two target groups and a rule that forwards to both, or deploy with strategy = \"rolling\"",
    )])
}

/// The target groups that a rule, or a listener, forwards to; `None` where there is none.
async fn forwards(clients: &Clients, arn: &str) -> Result<Option<BTreeSet<String>>> {
    let elb = clients.load_balancing();
    let actions = if arn.contains(":listener-rule/") {
        match elb.describe_rules().rule_arns(arn).send().await {
            Ok(answer) => {
                answer.rules.into_iter().flatten().next().map(|rule| rule.actions.unwrap_or_default())
            }
            Err(error)
                if error.as_service_error().is_some_and(DescribeRulesError::is_rule_not_found_exception) =>
            {
                None
            }
            Err(error) => return Err(RULES.failed(error)),
        }
    } else {
        match elb.describe_listeners().listener_arns(arn).send().await {
            Ok(answer) => {
                let listener = answer.listeners.into_iter().flatten().next();
                listener.map(|listener| listener.default_actions.unwrap_or_default())
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeListenersError::is_listener_not_found_exception) =>
            {
                None
            }
            Err(error) => return Err(LISTENERS.failed(error)),
        }
    };
    Ok(actions.map(|actions| actions.iter().flat_map(groups).collect()))
}

fn groups(action: &Action) -> impl Iterator<Item = String> {
    let several = action.forward_config().into_iter().flat_map(ForwardActionConfig::target_groups);
    let several = several.filter_map(|it| it.target_group_arn());
    action.target_group_arn().into_iter().chain(several).map(str::to_owned)
}
