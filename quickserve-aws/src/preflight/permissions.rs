//! QS605, QS606: what a deployment does, and what ECS does for a task, is allowed.
//!
//! IAM is asked for its own judgement (`SimulatePrincipalPolicy`). It knows the policies of an identity, its boundary and
//! those of the organisation, and not what a resource's own policy allows.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;
use quickserve_core::{Error, ErrorKind, Result};

use super::identity::Identity;
use super::roles;
use crate::arn::Arn;
use crate::clients::Clients;
use crate::error::{Call, call};
use crate::policy::{Need, Purpose};

const SIMULATE: Call = call("iam", "SimulatePrincipalPolicy");
const GET: Call = call("iam", "GetRole");
/// IAM throttles simulations early.
const AT_ONCE: usize = 4;

/// An action that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Denied {
    action: String,
    resource: String,
    /// A policy says no; else none says yes.
    explicitly: bool,
}

/// Whether the identity that deploys may do what a deployment does.
pub(super) async fn deployer(clients: &Clients, identity: &Identity, needs: &[Need]) -> Result<Report> {
    let Some(principal) = principal(clients, &identity.arn).await? else { return Ok(Report::default()) };
    judged(clients, &principal, Code::MISSING_PERMISSION, needs).await
}

/// Whether the execution role may do what ECS does with it.
pub(super) async fn execution_role(clients: &Clients, role: &str, needs: &[Need]) -> Result<Report> {
    judged(clients, role, Code::EXECUTION_PERMISSION, needs).await
}

/// Whose policies count: for a session, those of its role. The account's root may do everything.
async fn principal(clients: &Clients, identity: &Arn) -> Result<Option<String>> {
    let kind = identity.resource.split('/').next().unwrap_or_default();
    match (identity.service.as_str(), kind) {
        ("iam", "root") => Ok(None),
        ("iam", "user" | "role") => Ok(Some(identity.to_string())),
        ("sts", "assumed-role") => {
            let name = identity.resource.split('/').nth(1).unwrap_or_default();
            // A session's ARN lacks the path of its role.
            let answer = clients.iam().get_role().role_name(name).send().await;
            let answer = answer.map_err(|error| GET.failed(error))?;
            Ok(answer.role.map(|role| role.arn))
        }
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!("ask IAM about {identity}: it has no policies of its own"),
        )
        .with_hint("deploy as a role or a user, or look at its policies yourself")),
    }
}

async fn judged(clients: &Clients, principal: &str, code: Code, needs: &[Need]) -> Result<Report> {
    let needs = needs.iter().filter(|need| need.purpose == Purpose::Deploy);
    let asked: BTreeSet<&str> = needs.clone().flat_map(|need| need.actions.iter().copied()).collect();
    let looks = needs.map(|need| simulate(clients, principal, need));
    let denied: Vec<Vec<Denied>> = stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut by_action: BTreeMap<String, BTreeSet<Denied>> = BTreeMap::new();
    for denied in denied.into_iter().flatten() {
        by_action.entry(denied.action.clone()).or_default().insert(denied);
    }
    let passed = asked.iter().filter(|action| !by_action.contains_key(**action)).count();
    let findings = by_action.values().filter_map(|denied| finding(principal, code, denied)).collect();
    Ok(Report { passed, findings })
}

async fn simulate(clients: &Clients, principal: &str, need: &Need) -> Result<Vec<Denied>> {
    let mut request = clients
        .iam()
        .simulate_principal_policy()
        .policy_source_arn(principal)
        .set_action_names(Some(need.actions.iter().map(|&action| action.to_owned()).collect()))
        .set_resource_arns(Some(need.resources.clone()));
    if let Some(condition) = &need.condition {
        let entry = ContextEntry::builder()
            .context_key_name(condition.key)
            .context_key_values(&condition.value)
            .context_key_type(ContextKeyTypeEnum::String);
        request = request.context_entries(entry.build());
    }
    let mut pages = request.into_paginator().send();
    let mut denied = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| SIMULATE.failed(error))?;
        denied.extend(page.evaluation_results().iter().flat_map(refused));
    }
    Ok(denied)
}

/// What a result refuses. Where IAM lacks a value that a condition asks for, it does not know.
fn refused(result: &EvaluationResult) -> Vec<Denied> {
    let action = result.eval_action_name();
    let denied = |resource: &str, decision: &PolicyEvaluationDecisionType, unknown: &[String]| {
        let explicitly = *decision == PolicyEvaluationDecisionType::ExplicitDeny;
        let refused = explicitly || *decision == PolicyEvaluationDecisionType::ImplicitDeny;
        (refused && unknown.is_empty()).then(|| Denied {
            action: action.to_owned(),
            resource: resource.to_owned(),
            explicitly,
        })
    };
    let each = result.resource_specific_results();
    if each.is_empty() {
        let resource = result.eval_resource_name().unwrap_or("*");
        return denied(resource, result.eval_decision(), result.missing_context_values())
            .into_iter()
            .collect();
    }
    each.iter()
        .filter_map(|it| {
            denied(it.eval_resource_name(), it.eval_resource_decision(), it.missing_context_values())
        })
        .collect()
}

/// Services whose resources have policies of their own, which may allow what the identity's do not.
const OWN_POLICIES: [&str; 4] = ["ecr", "kms", "s3", "secretsmanager"];

fn finding(principal: &str, code: Code, denied: &BTreeSet<Denied>) -> Option<Finding> {
    let first = denied.first()?;
    let (service, _) = first.action.split_once(':')?;
    let explicitly = denied.iter().any(|it| it.explicitly);
    let perhaps = !explicitly && OWN_POLICIES.contains(&service);
    let (severity, unless) = if perhaps {
        (Severity::Warning, ", unless the policy of the resource allows it")
    } else {
        (Severity::Error, "")
    };
    let more = match denied.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let name = roles::name(principal);
    let may_not = if explicitly { "is denied" } else { "may not do" };
    let message = format!("{name} {may_not} {} on {}{more}{unless}", first.action, first.resource);
    let hint = if explicitly {
        "a policy denies it outright: look at its policies, its boundary and those of the organisation"
    } else {
        "allow it: `quickserve aws policy` prints the least policy"
    };
    Some(Finding::new(code, severity, message).on(principal).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(action: &str, resource: &str, explicitly: bool) -> Denied {
        Denied { action: action.into(), resource: resource.into(), explicitly }
    }

    #[test]
    fn a_missing_action_is_named_once_with_its_resources() {
        let role = "arn:aws:iam::123456789012:role/ci/deploy";
        let texts: Vec<String> = [
            vec![denied("ecs:UpdateService", "arn:aws:ecs:us-east-1:123456789012:service/main/shop", false)],
            vec![
                denied("secretsmanager:GetSecretValue", "a", false),
                denied("secretsmanager:GetSecretValue", "b", false),
            ],
            vec![denied("iam:PassRole", "arn:aws:iam::123456789012:role/task", true)],
        ]
        .into_iter()
        .filter_map(|all| finding(role, Code::MISSING_PERMISSION, &all.into_iter().collect()))
        .map(|finding| format!("{:?}: {finding}", finding.severity))
        .collect();
        insta::assert_snapshot!(texts.join("\n"), @r"
        Error: QS605 deploy may not do ecs:UpdateService on arn:aws:ecs:us-east-1:123456789012:service/main/shop
          --> arn:aws:iam::123456789012:role/ci/deploy
          hint: allow it: `quickserve aws policy` prints the least policy
        Warning: QS605 deploy may not do secretsmanager:GetSecretValue on a and 1 more, unless the policy of the resource allows it
          --> arn:aws:iam::123456789012:role/ci/deploy
          hint: allow it: `quickserve aws policy` prints the least policy
        Error: QS605 deploy is denied iam:PassRole on arn:aws:iam::123456789012:role/task
          --> arn:aws:iam::123456789012:role/ci/deploy
          hint: a policy denies it outright: look at its policies, its boundary and those of the organisation
        ");
    }

    #[test]
    fn what_iam_cannot_know_is_not_told_as_missing() {
        let result = EvaluationResult::builder()
            .eval_action_name("ecs:ListTasks")
            .eval_decision(PolicyEvaluationDecisionType::ImplicitDeny);
        let sure = result.clone().build().expect("a result");
        assert_eq!(refused(&sure), [denied("ecs:ListTasks", "*", false)]);
        let unsure = result.missing_context_values("aws:SourceVpc").build().expect("a result");
        assert_eq!(refused(&unsure), []);
    }
}
