//! Needs, written as a policy of IAM.

use std::collections::BTreeMap;

use quickserve_core::{Error, ErrorKind, Result};
use serde::Serialize;

use super::needs::{Need, deployer, execution_role};
use super::place::Place;
use crate::preflight::Subject;

/// Who is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The identity that deploys.
    Deployer,
    /// The role that ECS takes to pull images, read secrets and write logs for a task.
    ExecutionRole,
}

/// The version of the policy language. IAM documentation, "Version".
const LANGUAGE: &str = "2012-10-17";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    statement: Vec<Statement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    sid: &'static str,
    effect: &'static str,
    action: &'a [&'static str],
    resource: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<&'static str, &'a str>>,
}

/// The least policy for a service, as JSON text. Nothing is called.
///
/// Statements whose name begins with `Check` are for the checks alone: without them a deployment works, and less of
/// it is known beforehand. That the deployer may read the value of a secret is not in it, on purpose: that it is there is
/// enough.
///
/// # Errors
/// [`ErrorKind::Invalid`] where the task definition cannot be read.
pub fn document(subject: &Subject, place: &Place, whose: Whose) -> Result<String> {
    let needs = match whose {
        Whose::Deployer => deployer(subject, place)?,
        Whose::ExecutionRole => execution_role(subject, place)?,
    };
    let document = Document { version: LANGUAGE, statement: needs.iter().map(statement).collect() };
    serde_json::to_string_pretty(&document)
        .map_err(|error| Error::new(ErrorKind::Unexpected, "write the policy").with_source(error))
}

fn statement(need: &Need) -> Statement<'_> {
    let condition =
        need.condition.iter().map(|it| (it.operator, BTreeMap::from([(it.key, it.value.as_str())])));
    Statement {
        sid: need.sid,
        effect: "Allow",
        action: need.actions,
        resource: &need.resources,
        condition: condition.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quickserve_core::config::Strategy;

    use super::*;
    use crate::preflight::subject_for_tests as subject;

    fn place() -> Place {
        Place {
            partition: "aws-cn".into(),
            region: "cn-north-1".into(),
            account: "123456789012".into(),
            keys: BTreeSet::from(["11111111-2222-3333-4444-555555555555".to_owned()]),
        }
    }

    #[test]
    fn the_policy_of_the_deployer_names_what_is_of_the_service() {
        let subject = Subject { definition: Some("{}".into()), ..subject() };
        insta::assert_snapshot!(document(&subject, &place(), Whose::Deployer).expect("a policy"));
    }

    #[test]
    fn only_a_service_that_shifts_requests_has_deployments_to_answer() {
        let written = |strategy| {
            let subject = Subject { strategy, ..subject() };
            document(&subject, &place(), Whose::Deployer).expect("a policy")
        };
        assert!(!written(Strategy::Rolling).contains("ecs:ContinueServiceDeployment"));
        let canary = written(Strategy::Canary);
        assert!(canary.contains("ecs:ContinueServiceDeployment"), "{canary}");
        assert!(canary.contains("ecs:StopServiceDeployment"), "{canary}");
    }

    #[test]
    fn the_policy_of_the_execution_role_names_what_a_task_starts_with() {
        insta::assert_snapshot!(document(&subject(), &place(), Whose::ExecutionRole).expect("a policy"));
    }

    #[test]
    fn what_a_service_does_not_have_is_not_allowed() {
        let mut subject = subject();
        subject.images.clear();
        subject.workload.document = None;
        subject.workload.containers[0].secrets.clear();
        let empty = Place { keys: BTreeSet::new(), ..place() };
        let policy = document(&subject, &empty, Whose::ExecutionRole).expect("a policy");
        assert_eq!(policy, "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": []\n}");
    }
}
