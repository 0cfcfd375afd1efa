//! The images that a pipeline builds, and for which processors.

use quickserve_core::document::Span;

use crate::Text;
use crate::processor::Processor;
use crate::workflow::Pipelines;
use crate::workflow::actions::{Job, Step, Workflow};
use crate::workflow::pipelines::{Origin, Scope, Unit};
use crate::workflow::pushed;
use crate::workflow::shell::Command;

/// An image that is built.
#[derive(Debug, Clone)]
pub(crate) struct Built<'a> {
    /// The file that says so.
    pub(crate) file: &'a Text,
    /// Where it is built, or where its platform is written.
    pub(crate) span: Span,
    /// What it is built for; nothing where that is not known.
    pub(crate) processors: Vec<Processor>,
    /// Whether the platform is written, and not that of the runner.
    pub(crate) is_written: bool,
}

/// The images that are built where images are pushed.
pub(crate) fn of(pipelines: &Pipelines) -> Vec<Built<'_>> {
    let scopes = pipelines.scopes();
    let pushing = scopes.iter().filter(|scope| !pushed::of(scope).is_empty());
    pushing.flat_map(of_scope).collect()
}

fn of_scope<'a>(scope: &Scope<'a>) -> Vec<Built<'a>> {
    let by_commands = scope.units.iter().flat_map(|unit| {
        let commands = unit.shell.commands.iter().filter(|command| builds(command));
        commands.map(|command| by_command(scope, *unit, command))
    });
    let by_actions =
        scope.steps.iter().filter_map(|placed| by_action(placed.workflow, placed.job, placed.step));
    by_commands.chain(by_actions).collect()
}

/// Whether a command builds an image, or puts several together.
fn builds(command: &Command) -> bool {
    let words =
        ["build", "buildx build", "image build", "buildx bake", "buildx imagetools", "manifest create"];
    words.iter().any(|words| command.is(&format!("docker {words}")) || command.is(&format!("podman {words}")))
}

fn by_command<'a>(scope: &Scope<'a>, unit: Unit<'a>, command: &Command) -> Built<'a> {
    let makes_many =
        command.program().iter().any(|word| matches!(&*word.text, "bake" | "imagetools" | "manifest"));
    let (span, processors, is_written) = match (command.option("--platform"), command.flag("--platform")) {
        _ if makes_many => (command.span.clone(), Vec::new(), false),
        (Some(platforms), Some(flag)) => (flag.span.clone(), listed(platforms), true),
        _ => (command.span.clone(), of_machine(scope, unit), false),
    };
    Built { file: unit.file, span, processors, is_written }
}

/// What Docker builds for where nothing is said: the machine's own, or what a variable says.
fn of_machine(scope: &Scope<'_>, unit: Unit<'_>) -> Vec<Processor> {
    let says = |text: &Text| text.text.contains("DOCKER_DEFAULT_PLATFORM");
    if says(unit.file) || scope.workflow.is_some_and(|workflow| says(&workflow.file)) {
        return Vec::new();
    }
    match unit.origin {
        Origin::Step(_, job, _) => runner(job).into_iter().collect(),
        // Of the jobs of its workflow, any may call it.
        Origin::Script(_) => {
            let jobs = scope.workflow.map(|workflow| workflow.jobs.as_slice()).unwrap_or_default();
            let mut runners = jobs.iter().map(runner);
            let first = runners.next().flatten();
            first.filter(|first| runners.all(|other| other == Some(*first))).into_iter().collect()
        }
    }
}

/// The processor of a job's machine, where all that its labels say is one.
fn runner(job: &Job) -> Option<Processor> {
    job.runs_on.iter().find_map(|(label, _)| Processor::of_runner(label))
}

fn by_action<'a>(workflow: &'a Workflow, job: &Job, step: &Step) -> Option<Built<'a>> {
    let (_, uses) = step.uses.as_ref()?;
    let (file, is_bake) = (&workflow.file, step.is_action("docker/bake-action"));
    let unknown = is_bake || file.text.contains("DOCKER_DEFAULT_PLATFORM");
    if !is_bake && !step.is_action("docker/build-push-action") {
        return None;
    }
    Some(match step.input("platforms") {
        Some(input) if !is_bake && !input.value.trim().is_empty() => {
            Built { file, span: input.span.clone(), processors: listed(&input.value), is_written: true }
        }
        _ => {
            let processors = runner(job).filter(|_| !unknown).into_iter().collect();
            Built { file, span: uses.clone(), processors, is_written: false }
        }
    })
}

/// The processors of a list of platforms; none where one of them is not known.
fn listed(platforms: &str) -> Vec<Processor> {
    let each = platforms.split([',', '\n']).map(str::trim).filter(|platform| !platform.is_empty());
    each.map(Processor::of_platform).collect::<Option<Vec<_>>>().unwrap_or_default()
}
