//! QS816: a deployment that nobody waits for: the pipeline is green before ECS has started a task.

use quickserve_core::finding::{Code, Finding};

use super::rollback::rolls_back;
use crate::workflow::Pipelines;
use crate::workflow::flow::{any_after_step, any_later};
use crate::workflow::pipelines::{Placed, Unit};
use crate::workflow::programs::DEPLOY_ACTIONS;
use crate::workflow::shell::Command;

/// How many deployments of one text are looked at.
const MANY: usize = 20;

const HINT: &str =
    "wait with `aws ecs wait services-stable`, and check then that the primary deployment is COMPLETED";

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        let deploys = unit.shell.commands.iter().filter(|command| starts_rollout(unit, command));
        for command in deploys.take(MANY) {
            if any_later(pipelines, unit, command, &|_, other| looks(other), &acts) {
                continue;
            }
            let end = command.program().get(2).map_or(command.span.end, |word| word.span.end);
            let start = command.program().first().map_or(command.span.start, |word| word.span.start);
            let message = "nobody waits for this deployment: it counts as done before a task has started";
            findings.push(unit.file.warning(Code::FALSE_SUCCESS, &(start..end), message).with_hint(HINT));
        }
    }
    for placed in pipelines.files().flat_map(Placed::all) {
        findings.extend(by_action(pipelines, placed));
    }
    findings
}

/// Whether a command gives a service other tasks.
fn starts_rollout(unit: Unit<'_>, command: &Command) -> bool {
    command.is("aws ecs update-service")
        && (command.flag("--task-definition").is_some() || command.flag("--force-new-deployment").is_some())
        // A roll back has a finding of its own.
        && !rolls_back(unit, command)
}

/// Whether a command looks at what became of a deployment, or may do so.
fn looks(command: &Command) -> bool {
    const UNKNOWN: [&str; 26] = [
        "python",
        "python3",
        "node",
        "deno",
        "ruby",
        "perl",
        "make",
        "just",
        "task",
        "npm",
        "npx",
        "yarn",
        "pnpm",
        "bun",
        "go",
        "curl",
        "wget",
        "http",
        "ecs-deploy",
        "ecs-cli",
        "copilot",
        "terraform",
        "tofu",
        "quickserve",
        "k6",
        "timeout",
    ];
    let of_service = |text: &str| {
        ["describe-services", "service-deployments", "describe-tasks", "list-tasks", "services-stable"]
            .iter()
            .any(|part| text.contains(part))
    };
    command.is("aws ecs wait")
        || command.is("aws deploy wait")
        || UNKNOWN.contains(&command.name())
        || command.all_words().any(|word| of_service(&word.text))
        // A program of the project, or one that a variable names, may do anything.
        || command.words.first().is_some_and(|word| {
            word.text.starts_with('$') || (word.text.contains('/') && command.called_script().is_none())
        })
}

/// Whether an action waits, or may do so.
fn acts(placed: Placed<'_>) -> bool {
    const HARMLESS: [&str; 5] =
        ["actions/checkout", "actions/upload-artifact", "actions/cache", "docker/", "slackapi/"];
    let step = placed.step;
    if step.is_action(DEPLOY_ACTIONS[0]) {
        return waits(placed);
    }
    let uses = step.uses.as_ref().map(|(uses, _)| uses.as_str());
    // One of this repository is looked into, step by step, where it has steps.
    uses.is_some_and(|uses| !uses.starts_with("./") && !HARMLESS.iter().any(|start| uses.starts_with(start)))
}

/// Whether the action is told to wait, or by an expression perhaps.
fn waits(placed: Placed<'_>) -> bool {
    placed.step.input("wait-for-service-stability").is_some_and(|input| input.value != "false")
}

/// The action of AWS waits where it is told to. Its `action.yml`: "Will default to not waiting".
fn by_action(pipelines: &Pipelines, placed: Placed<'_>) -> Option<Finding> {
    let Placed { workflow, step, .. } = placed;
    let service = step.input("service").filter(|_| step.is_action(DEPLOY_ACTIONS[0]))?;
    if waits(placed) || any_after_step(pipelines, placed, &|_, other| looks(other), &acts) {
        return None;
    }
    let told = step.input("wait-for-service-stability");
    let span = told.map_or(&service.key_span, |input| &input.span);
    let message =
        "the action does not wait: the job is green before a task has started, whatever becomes of it";
    let finding = workflow.file.warning(Code::FALSE_SUCCESS, span, message);
    Some(finding.with_hint("write `wait-for-service-stability: true`"))
}
