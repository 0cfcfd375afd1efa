//! QS817: a variable that one step of a job has, and another uses as if it had it too.

use quickserve_core::finding::{Code, Finding, Severity};

use crate::workflow::Pipelines;
use crate::workflow::actions::{Input, Job, Step, Workflow};
use crate::workflow::exported::{Exported, exported};
use crate::workflow::pipelines::Unit;
use crate::workflow::shell::{Command, Reference, Shell};

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in &pipelines.workflows {
        for job in &workflow.jobs {
            for (index, step) in job.steps.iter().enumerate() {
                let earlier = &job.steps[..index];
                if let Some(unit) = Unit::of_step(workflow, job, step) {
                    findings.extend(of_step(pipelines, workflow, job, earlier, step, unit));
                }
            }
        }
    }
    findings
}

fn of_step(
    pipelines: &Pipelines,
    workflow: &Workflow,
    job: &Job,
    earlier: &[Step],
    step: &Step,
    unit: Unit<'_>,
) -> Vec<Finding> {
    let has = |inputs: &[Input], name: &str| inputs.iter().any(|input| input.key == name);
    let is_set = |name: &str| {
        has(&step.env, name) || has(&job.env, name) || has(&workflow.env, name) || sets(unit.shell, name)
    };
    let elsewhere = |name: &str| job.steps.iter().find(|other| has(&other.env, name));
    let mut findings = Vec::new();
    let mut said: Vec<&str> = Vec::new();
    for command in &unit.shell.commands {
        // A command may look whether the variable is there; one of these uses it.
        let uses = matches!(command.name(), "docker" | "podman" | "aws" | "kubectl" | "helm");
        let references = command.words.iter().flat_map(|word| &word.references);
        for reference in references.filter(|reference| uses && reference.operator.is_empty()) {
            let name = reference.name.as_str();
            if is_set(name) || said.contains(&name) {
                continue;
            }
            if let Some(other) = elsewhere(name) {
                said.push(name);
                let mut finding = finding(workflow, reference, other);
                match exported(pipelines, workflow, job, earlier, name) {
                    Exported::Yes => continue,
                    Exported::Perhaps => finding.severity = Severity::Warning,
                    Exported::No => {}
                }
                findings.push(finding);
            }
        }
    }
    findings
}

fn finding(workflow: &Workflow, reference: &Reference, other: &Step) -> Finding {
    let name = &reference.name;
    let owner =
        other.name.as_ref().map_or_else(|| "another step".to_owned(), |name| format!("step {name:?}"));
    let message = format!("{name} is empty here: only {owner} has it");
    let finding = workflow.file.error(Code::STEP_VARIABLE, &reference.span, message);
    finding.with_hint(format!("move {name} to the `env` of the job"))
}

/// Whether a text sets a variable by itself.
fn sets(shell: &Shell, name: &str) -> bool {
    let reads = |command: &Command| {
        let by_name = matches!(
            command.name(),
            "read" | "for" | "mapfile" | "readarray" | "getopts" | "printf" | "eval" | "source" | "."
        );
        by_name
            && command
                .words
                .iter()
                .any(|word| word.text.contains(name) || matches!(command.name(), "eval" | "source" | "."))
    };
    shell.assignments().any(|set| set.name == name) || shell.commands.iter().any(reads)
}
