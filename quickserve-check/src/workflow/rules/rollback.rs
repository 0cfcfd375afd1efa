//! QS810, QS815, QS816: whether a deployment that fails is noticed, and taken back to the end.

use quickserve_core::finding::{Code, Finding};

use crate::workflow::Pipelines;
use crate::workflow::actions::{Job, Step, Workflow};
use crate::workflow::flow::any_later;
use crate::workflow::pipelines::{Origin, Unit};
use crate::workflow::scripts::Script;
use crate::workflow::shell::{BlockKind, Command};

/// QS810: the service gets its previous definition, and nobody looks whether it ever runs.
pub(super) fn unawaited(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        let rollbacks = unit.shell.commands.iter().filter(|command| rolls_back(unit, command));
        for command in rollbacks.filter(|command| !is_awaited(pipelines, unit, command)) {
            let end = command.program().get(2).map_or(command.span.end, |word| word.span.end);
            let message =
                "the roll back is started and nobody waits for it: what serves afterwards is unknown";
            let finding = unit.file.warning(Code::UNAWAITED_ROLLBACK, &(command.span.start..end), message);
            let hint =
                "wait for the service to be stable on the previous task definition, and say so if it is not";
            findings.push(finding.with_hint(hint));
        }
    }
    findings
}

/// Whether a command gives the service back what it had before a failure.
pub(super) fn rolls_back(unit: Unit<'_>, command: &Command) -> bool {
    let Some(definition) =
        command.option("--task-definition").filter(|_| command.is("aws ecs update-service"))
    else {
        return false;
    };
    let name = definition.trim_matches(['$', '{', '}']);
    let upper = name.to_ascii_uppercase();
    let named = ["CURRENT", "PREV", "OLD", "LAST", "ROLLBACK", "STABLE", "ORIGINAL"];
    let mut assigned = unit.shell.assignments().filter(|set| set.name == name);
    let is_previous = definition.starts_with('$')
        && (named.iter().any(|part| upper.contains(part))
            || assigned.any(|set| set.value.text.contains("describe-services")));
    is_previous && is_after_failure(unit, command)
}

/// Whether a command runs where something has failed.
fn is_after_failure(unit: Unit<'_>, command: &Command) -> bool {
    let in_branch = unit.shell.around(command.block).any(|block| {
        let is_rollback = |name: &str| name.to_ascii_lowercase().replace('_', "").contains("rollback");
        match &block.kind {
            BlockKind::Function(name) => is_rollback(name),
            BlockKind::Then | BlockKind::Else | BlockKind::Group => true,
            _ => false,
        }
    });
    in_branch
        || match unit.origin {
            Origin::Step(_, job, step) => handles_failure(job, step),
            Origin::Script(script) => script.path.to_string_lossy().contains("rollback"),
        }
}

/// Whether a command that waits follows, before the script ends.
fn is_awaited(pipelines: &Pipelines, unit: Unit<'_>, command: &Command) -> bool {
    let waits = |command: &Command| {
        command.is("aws ecs wait") || command.all_words().any(|word| word.text.contains("describe-services"))
    };
    for next in unit.shell.after(command) {
        if waits(next) {
            return true;
        }
        let called = unit.shell.commands.iter();
        let mut called = called.filter(|inner| unit.shell.is_body_of(inner, next));
        if called.any(waits) {
            return true;
        }
        if matches!(next.name(), "exit" | "return") {
            return false;
        }
    }
    any_later(pipelines, unit, command, &|_, other| waits(other), &|_| false)
}

fn later_steps<'a>(job: &'a Job, step: &Step) -> impl Iterator<Item = &'a Step> {
    let start = step.span.start;
    job.steps.iter().filter(move |other| other.span.start > start)
}

/// Whether a step, or all of its job, runs when something before has failed.
fn handles_failure(job: &Job, step: &Step) -> bool {
    [&job.condition, &step.condition].into_iter().flatten().any(|(condition, _)| {
        ["failure()", "always()", "cancelled()", "'failure'", "\"failure\""]
            .iter()
            .any(|part| condition.contains(part))
    })
}

/// QS815: the new release has all the traffic when it is judged, and keeps it when it is found wanting.
pub(super) fn judged_late(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in &pipelines.workflows {
        let handled = workflow.jobs.iter().any(|job| job.steps.iter().any(|step| handles_failure(job, step)));
        let steps = workflow.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (job, step)));
        for (job, step) in steps.filter(|_| !handled) {
            if judges(step)
                && !takes_back(pipelines, workflow, job, step)
                && serves(pipelines, workflow, job, step)
            {
                let span = step.run.as_ref().map_or_else(|| step.span.clone(), |run| first(run, step));
                let message =
                    "this judges the release when it serves already, and nothing takes it back when it fails";
                let finding = workflow.file.warning(Code::NO_ROLLBACK, &span, message);
                findings.push(finding.with_hint(remedy(pipelines)));
            }
        }
    }
    findings
}

fn first(run: &crate::workflow::actions::Run, step: &Step) -> quickserve_core::document::Span {
    run.commands.commands.first().map_or_else(|| step.span.clone(), |command| command.span.clone())
}

/// Whether a step looks whether the release works.
fn judges(step: &Step) -> bool {
    let name = step.name.as_deref().unwrap_or_default().to_ascii_lowercase();
    let run = step.run.as_ref().map(|run| run.text.to_ascii_lowercase()).unwrap_or_default();
    let words = ["smoke", "post-deploy", "postdeploy", "verify deployment", "health check"];
    step.continue_on_error.is_none()
        && step.run.is_some()
        && (words.iter().any(|word| name.contains(word)) || run.contains("smoke"))
}

/// Whether the step itself, or what it calls, deploys something else when the release fails.
fn takes_back(pipelines: &Pipelines, workflow: &Workflow, job: &Job, step: &Step) -> bool {
    let says = step.run.as_ref().is_some_and(|run| run.text.to_ascii_lowercase().contains("rollback"));
    says || pipelines.step_deploys(workflow, job, step)
}

/// Whether a deployment comes before the step, and none after it that this would keep from happening.
fn serves(pipelines: &Pipelines, workflow: &Workflow, job: &Job, step: &Step) -> bool {
    let deploys = |job: &Job, other: &Step| pipelines.step_deploys(workflow, job, other);
    let earlier = job.steps.iter().take_while(|other| other.span.start < step.span.start);
    let before = earlier.into_iter().any(|other| deploys(job, other))
        || workflow
            .jobs
            .iter()
            .any(|other| workflow.is_after(job, other) && pipelines.job_deploys(workflow, other));
    let after = later_steps(job, step).any(|other| deploys(job, other))
        || workflow
            .jobs
            .iter()
            .any(|other| workflow.is_after(other, job) && pipelines.job_deploys(workflow, other));
    before && !after
}

fn remedy(pipelines: &Pipelines) -> String {
    let rolls_back_itself = |script: &&Script| {
        let unit = Unit::of_script(script);
        script.commands.commands.iter().any(|command| rolls_back(unit, command))
    };
    let uncalled = |script: &&Script| {
        let called = |scope: crate::workflow::pipelines::Scope<'_>| {
            scope.workflow.is_some()
                && scope.units.iter().filter_map(Unit::script).any(|known| known.path == script.path)
        };
        !pipelines.scopes().into_iter().any(called)
    };
    let general = "test before traffic moves, or add a step with `if: failure()` that deploys the previous task definition";
    match pipelines.scripts.iter().filter(rolls_back_itself).find(uncalled) {
        Some(script) => {
            format!("{general}; {} does take it back, and no workflow calls it", script.file.file)
        }
        None => general.into(),
    }
}

/// QS816: the wait of the CLI looks at the service, not at the deployment.
pub(super) fn false_success(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        let waits = unit.shell.commands.iter().filter(|command| command.is("aws ecs wait services-stable"));
        for command in waits
            .filter(|command| !looks_afterwards(pipelines, unit, command) && !follows_rollback(unit, command))
        {
            let end = command.program().get(3).map_or(command.span.end, |word| word.span.end);
            let start = command.program().first().map_or(command.span.start, |word| word.span.start);
            let message =
                "this also succeeds when ECS has rolled the deployment back, and gives up after 10 minutes";
            let finding = unit.file.warning(Code::FALSE_SUCCESS, &(start..end), message);
            let hint = "afterwards, check with `aws ecs describe-services` that the primary deployment has the new task \
                        definition and its rolloutState is COMPLETED";
            findings.push(finding.with_hint(hint));
        }
    }
    findings
}

/// Whether what serves is looked at after the wait.
fn looks_afterwards(pipelines: &Pipelines, unit: Unit<'_>, wait: &Command) -> bool {
    let looks = |command: &Command| {
        ["describe-services", "describe-service-deployments", "list-service-deployments"]
            .iter()
            .any(|subcommand| command.is(&format!("aws ecs {subcommand}")))
    };
    any_later(pipelines, unit, wait, &|_, command| looks(command), &|_| false)
}

/// Whether it waits for a roll back, after which nothing rolls back again.
fn follows_rollback(unit: Unit<'_>, wait: &Command) -> bool {
    let before = |command: &&Command| command.block == wait.block && command.span.start < wait.span.start;
    unit.shell.commands.iter().filter(before).any(|command| rolls_back(unit, command))
}
