//! QS818, and QS801 for jobs: names that lead nowhere. GitHub takes what such an expression says for empty.

use quickserve_core::document::{Span, nearest};
use quickserve_core::finding::{Code, Finding, Severity};

use crate::workflow::Pipelines;
use crate::workflow::actions::{Job, Step, Workflow};
use crate::workflow::pipelines::Unit;
use crate::workflow::programs::{DEPLOY_ACTIONS, RENDER_ACTION};
use crate::workflow::scripts::{Found, normal};

/// How far back the beginning of an expression is looked for, in bytes.
const EXPRESSION: usize = 1000;

/// How many names are compared with one that is not known, and for how many of these.
const MANY: usize = 100;

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in &pipelines.workflows {
        for job in &workflow.jobs {
            findings.extend(unknown_jobs(workflow, job));
            for (index, step) in job.steps.iter().enumerate() {
                let earlier = &job.steps[..index];
                findings.extend(references(workflow, job, step, earlier));
                if step.is_action(RENDER_ACTION) || step.is_action(DEPLOY_ACTIONS[0]) {
                    findings.extend(missing_file(pipelines, workflow, job, step, earlier));
                    findings.extend(unknown_container(pipelines, workflow, step));
                }
            }
        }
    }
    findings
}

fn found(workflow: &Workflow, span: &Span, message: String, near: Option<&str>) -> Finding {
    let finding = workflow.file.error(Code::DANGLING_NAME, span, message);
    finding
        .with_hint(near.map_or_else(|| "correct the name".to_owned(), |near| format!("did you mean {near}")))
}

/// A job that waits for one that is not there: GitHub starts no run of the workflow.
fn unknown_jobs(workflow: &Workflow, job: &Job) -> Vec<Finding> {
    let unknown = job.needs.iter().filter(|id| workflow.job(id).is_none() && !id.contains("${{"));
    let finding = |id: &String| {
        let message = format!("job {} needs {id}, which is no job of this workflow", job.id);
        let finding = workflow.file.error(Code::WORKFLOW_SYNTAX, &job.span, message);
        let near = nearest(id, workflow.jobs.iter().map(|job| job.id.as_str()));
        finding.with_hint(
            near.map_or_else(|| "correct `needs`".to_owned(), |near| format!("did you mean {near}")),
        )
    };
    unknown.map(finding).collect()
}

/// `steps.X` of a step that did not run before, and `needs.X` of a job that is not waited for.
fn references(workflow: &Workflow, job: &Job, step: &Step, earlier: &[Step]) -> Vec<Finding> {
    let text = workflow.file.text.get(step.span.clone()).unwrap_or_default();
    let ids = || earlier.iter().filter_map(|step| step.id.as_deref());
    let mut findings = Vec::new();
    for (at, context, name) in contexts(text) {
        let start = step.span.start + at;
        let is_known = |mut names: Box<dyn Iterator<Item = &str> + '_>| {
            names.any(|known| known.eq_ignore_ascii_case(name))
        };
        let span = start..start + context.len() + name.len();
        let is_in_expression = is_expression(&text[..at])
            || step.condition.iter().any(|(_, condition)| condition.start <= start && start < condition.end);
        if !is_in_expression {
            continue;
        }
        if context == "steps." && !is_known(Box::new(ids())) {
            let message = format!("steps.{name} is empty here: no step before has the id {name}");
            let near = if findings.len() < MANY { nearest(name, ids().take(MANY)) } else { None };
            findings.push(found(workflow, &span, message, near));
        }
        if context == "needs." && !is_known(Box::new(job.needs.iter().map(String::as_str))) {
            let message = format!("needs.{name} is empty here: job {} does not need {name}", job.id);
            findings.push(found(workflow, &span, message, None).with_hint(format!("add {name} to `needs`")));
        }
    }
    findings
}

/// Each `steps.NAME.` and `needs.NAME.` of a text: where it is, which, and the name.
pub(super) fn contexts(text: &str) -> impl Iterator<Item = (usize, &'static str, &str)> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    ["steps.", "needs."].into_iter().flat_map(move |context| {
        text.match_indices(context).filter_map(move |(at, _)| {
            let rest = &text[at + context.len()..];
            let name = &rest[..rest.find(|char| !is_part(char)).unwrap_or(rest.len())];
            let follows = rest[name.len()..].strip_prefix('.')?;
            let is_property =
                ["outputs", "outcome", "conclusion", "result"].iter().any(|word| follows.starts_with(word));
            let is_whole = !text[..at].ends_with(|char| is_part(char) || char == '.');
            (is_property && is_whole && !name.is_empty()).then_some((at, context, name))
        })
    })
}

/// Whether what follows a text is inside of `${{ }}`.
pub(super) fn is_expression(before: &str) -> bool {
    let near = &before[before.ceil_char_boundary(before.len().saturating_sub(EXPRESSION))..];
    let is_open = near.rfind("${{").is_some_and(|open| !near[open..].contains("}}"));
    let is_comment = near.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with('#'));
    is_open && !is_comment
}

/// A task definition that no step before brings, and that the repository does not have.
fn missing_file(
    pipelines: &Pipelines,
    workflow: &Workflow,
    job: &Job,
    step: &Step,
    earlier: &[Step],
) -> Option<Finding> {
    let input = step.input("task-definition").filter(|input| !input.value.contains('$'))?;
    let path = normal(input.value.as_ref())?;
    if pipelines.found.get(&path) != Some(&Found::Missing) || !checks_out_here(job) {
        return None;
    }
    let name = path.file_name()?.to_string_lossy();
    let written = |step: &Step| workflow.file.text.get(step.span.clone()).unwrap_or_default();
    let brings = |step: &Step| {
        let is_checkout = step.is_action("actions/checkout");
        let restores = step.is_action("actions/download-artifact") || step.is_action("actions/cache");
        written(step).contains(&*name) || restores || (is_checkout && step.input("repository").is_some())
    };
    // Another render step reads the file, and brings none.
    if earlier.iter().any(|step| brings(step) && !step.is_action(RENDER_ACTION)) {
        return None;
    }
    let message = format!("{} is no file of this repository", input.value);
    let mut finding = found(workflow, &input.span, message, None);
    let may_make = |step: &Step| {
        let plain = ["docker", "aws", "echo", "npm", "yarn", "pnpm", "pip", "go", "cargo", "mvn", "export"];
        let commands = Unit::of_step_commands(step);
        // An action of this repository may make any file.
        step.local_action().is_some()
            || commands.iter().any(|command| !plain.contains(&command.name()) && !command.words.is_empty())
    };
    if earlier.iter().any(may_make) {
        finding.severity = Severity::Warning;
    }
    Some(finding.with_hint("name the file where it is, or make it in a step before"))
}

fn checks_out_here(job: &Job) -> bool {
    job.steps.iter().any(|step| step.is_action("actions/checkout") && step.input("path").is_none())
}

/// A container that the definition does not have: the action ends there.
fn unknown_container(pipelines: &Pipelines, workflow: &Workflow, step: &Step) -> Option<Finding> {
    let name = step.input("container-name").filter(|input| !input.value.contains('$'))?;
    let file = step.input("task-definition")?;
    let template = pipelines.templates.get(&normal(file.value.as_ref())?)?;
    if template.containers.is_empty() || template.containers.contains(&name.value) {
        return None;
    }
    let message = format!("{} has no container {}", file.value, name.value);
    let containers = template.containers.iter().map(String::as_str);
    let only = containers.clone().next().filter(|_| template.containers.len() == 1);
    Some(found(workflow, &name.span, message, nearest(&name.value, containers).or(only)))
}
