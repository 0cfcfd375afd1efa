//! QS812: tests that are there, and whose failure stops nothing.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use crate::workflow::Pipelines;
use crate::workflow::actions::{Job, Workflow};
use crate::workflow::pipelines::{Origin, Unit};
use crate::workflow::shell::{Command, Connector};

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        let Origin::Step(workflow, job, step) = unit.origin else { continue };
        let tests: Vec<&Command> = unit.shell.commands.iter().filter(|command| command.tests()).collect();
        for command in &tests {
            findings.extend(skipped(unit, command));
        }
        if tests.is_empty() {
            continue;
        }
        let ignored = [(&step.continue_on_error, "step"), (&job.continue_on_error, "job")];
        for (place, what) in ignored {
            findings.extend(place.as_ref().map(|span| {
                let message = format!("this {what} runs tests, and goes on when they fail");
                let finding = workflow.file.warning(Code::SKIPPED_TESTS, span, message);
                finding.with_hint("remove `continue-on-error`")
            }));
        }
        for (condition, span) in step.condition.iter().chain(&job.condition) {
            if matches!(condition.trim_matches(['$', '{', '}', ' ']), "false") {
                let finding = workflow.file.warning(Code::SKIPPED_TESTS, span, "these tests never run");
                findings.push(finding.with_hint("remove `if: false`"));
            }
        }
    }
    findings.extend(pipelines.workflows.iter().flat_map(|workflow| beside(pipelines, workflow)));
    findings.dedup();
    findings
}

/// What of a command lets failing or absent tests pass.
fn skipped(unit: Unit<'_>, command: &Command) -> Option<Finding> {
    let warn = |span: &Span, message: &str, hint: &str| {
        Some(unit.file.warning(Code::SKIPPED_TESTS, span, message).with_hint(hint))
    };
    if let Some(flag) = command.flag("--if-present") {
        return warn(&flag.span, "tests are skipped where there is no test script", "remove --if-present");
    }
    if let Some(flag) = command.flag("--passWithNoTests") {
        return warn(&flag.span, "passes when no test is found", "remove --passWithNoTests");
    }
    let next = unit.shell.after(command).next();
    let succeeds = |next: &Command| matches!(next.name(), "true" | ":") || next.prints();
    if command.next == Connector::Or && next.is_some_and(succeeds) {
        let message = "goes on when tests fail";
        return warn(&command.span, message, "remove what follows `||`");
    }
    // GitHub's own shell is `bash -e`; only `shell: bash` adds pipefail.
    let Origin::Step(_, _, step) = unit.origin else { return None };
    let pipefail = step.run.as_ref().is_some_and(|run| run.shell.is_some() || run.text.contains("pipefail"));
    if command.next == Connector::Pipe && !pipefail {
        let message = "goes on when tests fail: the step has the result of the last command of the pipe";
        return warn(&command.span, message, "add `shell: bash` to the step, which sets pipefail");
    }
    None
}

/// Jobs with tests that a job which deploys does not wait for.
fn beside(pipelines: &Pipelines, workflow: &Workflow) -> Vec<Finding> {
    let tests = |job: &&Job| job.steps.iter().flat_map(Unit::of_step_commands).any(Command::tests);
    let deploying: Vec<&Job> =
        workflow.jobs.iter().filter(|job| pipelines.job_deploys(workflow, job)).collect();
    let mut findings = Vec::new();
    for job in workflow.jobs.iter().filter(tests) {
        // What runs after a deployment, such as a test of what serves, cannot come before it.
        let follows = deploying.iter().any(|deploy| workflow.is_after(job, deploy) || deploy.id == job.id);
        if follows {
            continue;
        }
        for deploy in &deploying {
            let unguarded = !workflow.is_after(deploy, job);
            let anyway = deploy.condition.as_ref().filter(|(condition, _)| {
                condition.contains("always()")
                    && !condition.contains("result")
                    && !condition.contains("success")
            });
            let (span, message, hint) = match anyway {
                Some((_, span)) if !unguarded => {
                    let message =
                        format!("job {} deploys also when the tests of job {} fail", deploy.id, job.id);
                    (span, message, "remove `always()`".to_owned())
                }
                _ if unguarded => {
                    let message =
                        format!("job {} deploys without waiting for the tests of job {}", deploy.id, job.id);
                    (&deploy.span, message, format!("add {} to its `needs`", job.id))
                }
                _ => continue,
            };
            findings.push(workflow.file.warning(Code::SKIPPED_TESTS, span, message).with_hint(hint));
        }
    }
    findings
}
