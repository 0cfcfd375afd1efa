//! The judgement of task definitions, by subject.

mod health;
mod images;
mod limits;
mod platform;
mod ports;
mod reading;

use std::time::Duration;

use proptest::prelude::*;
use quickserve_core::config::Platform;
use quickserve_core::finding::{Code, Finding, Severity};

use super::*;
use crate::{Rollout, Text};

const CASE_STUDY: &str =
    include_str!("../../../../tests/fixtures/case-study/deploy/aws-task-definition.json");
const CASE_STUDY_HEALTH: &str = include_str!("../testdata/case-study-health.js");

/// What ECS is asked for, with no quickserve.toml.
fn on_ecs() -> Subject {
    Subject { definition: Some("task.json".into()), ..Subject::default() }
}

fn parsed(text: &str, subject: &Subject) -> (Option<Definition>, Vec<Finding>) {
    read::parse(Text::new("task.json", text), subject)
}

/// The judgement where nothing is known of the code.
fn judge(definition: &Definition, subject: &Subject) -> Report {
    super::judge(definition, subject, &Listener::default())
}

fn definition(text: &str) -> Definition {
    parsed(text, &on_ecs()).0.expect("a definition")
}

/// All findings, those of reading first.
fn all(text: &str, subject: &Subject) -> Vec<Finding> {
    let (definition, mut findings) = parsed(text, subject);
    findings.extend(definition.iter().flat_map(|definition| judge(definition, subject).findings));
    crate::facts::sort(&mut findings);
    findings
}

fn shown(findings: &[Finding]) -> String {
    let shown = findings.iter().map(|finding| format!("{:?}: {finding:#}", finding.severity));
    shown.collect::<Vec<_>>().join("\n")
}

/// What the rules say of a task with these fields and one container with those.
fn judged_as(subject: &Subject, task: &str, container: &str) -> Vec<String> {
    let text = format!(
        r#"{{"family": "t", "containerDefinitions": [{{"name": "app", "image": "app@sha256:00", "memory": 64{container}}}]{task}}}"#
    );
    let report = judge(&definition(&text), subject);
    report.findings.iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect()
}

fn judged(task: &str, container: &str) -> Vec<String> {
    judged_as(&on_ecs(), task, container)
}

/// The same of a task that Fargate would take.
fn on_fargate(task: &str, container: &str) -> Vec<String> {
    let base = r#", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc""#;
    let size = if task.contains("\"cpu\"") { "" } else { r#", "cpu": "256", "memory": "512""# };
    judged(&format!("{base}{size}{task}"), container)
}

const ROLLOUT: Rollout = Rollout {
    tasks: 2,
    minimum_healthy_percent: 100,
    maximum_percent: 200,
    drain_timeout: Duration::from_secs(10),
    grace: None,
};

fn with_rollout(rollout: Rollout) -> Subject {
    Subject { rollout: Some(rollout), platform: Some(Platform::Ecs), ..on_ecs() }
}
