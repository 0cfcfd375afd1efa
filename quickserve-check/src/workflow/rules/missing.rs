//! QS809: scripts that are called and not there.

use quickserve_core::finding::{Code, Finding, Severity};

use crate::workflow::Pipelines;
use crate::workflow::actions::Step;
use crate::workflow::pipelines::{Origin, Unit};
use crate::workflow::scripts::Found;
use crate::workflow::shell::{BlockKind, Command, Word};

/// How many commands before a call are looked at. After more of them nothing is said.
const LOOKED_AT: usize = 1_000;

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        for command in &unit.shell.commands {
            if let Some((word, direct)) = command.called_script()
                && is_in_checkout(unit, command, word)
            {
                findings.extend(missing(pipelines, unit, word, direct));
            }
        }
    }
    findings
}

fn missing(pipelines: &Pipelines, unit: Unit<'_>, word: &Word, direct: bool) -> Option<Finding> {
    let paths = unit.paths(&word.text);
    let found: Vec<Found> = paths.iter().filter_map(|path| pipelines.found.get(path).copied()).collect();
    if found.is_empty() || found.contains(&Found::Executable) {
        return None;
    }
    if found.contains(&Found::NotExecutable) {
        let message = format!("{} is run and may not be", word.text);
        let finding = unit.file.warning(Code::MISSING_SCRIPT, &word.span, message);
        let hint = format!("run `git update-index --chmod=+x {}`", paths.first()?.display());
        return (direct && !is_made_executable(unit, word)).then(|| finding.with_hint(hint));
    }
    let message = format!("{} is called and does not exist", word.text);
    let mut finding = unit.file.error(Code::MISSING_SCRIPT, &word.span, message);
    if may_be_made(unit) {
        finding.severity = Severity::Warning;
    }
    Some(finding.with_hint("write it, or remove the call"))
}

/// Whether a path can only mean a file of this repository: nothing before changes the folder or brings the file.
fn is_in_checkout(unit: Unit<'_>, command: &Command, word: &Word) -> bool {
    let name = word.text.rsplit('/').next().unwrap_or_default();
    let before = unit.shell.commands.iter().filter(|other| other.span.start < command.span.start);
    if before.clone().nth(LOOKED_AT).is_some() {
        return false;
    }
    let brings = |other: &Command| {
        let fetches = matches!(other.name(), "git" | "tar" | "unzip");
        let calls = other.called_script().is_some();
        // Not `test`: who looks whether it is there knows that it may not be.
        let harmless = matches!(other.name(), "chmod" | "ls") || other.prints();
        let names = other.all_words().any(|word| word.text.contains(name));
        let writes = other.redirects.iter().any(|redirect| redirect.target.text.contains(name));
        fetches || writes || (names && !calls && !harmless)
    };
    let moves = |other: &Command| matches!(other.name(), "cd" | "pushd");
    if is_installed(&word.text)
        || before.into_iter().any(|other| brings(other) || moves(other))
        || unit.shell.around(command.block).any(|block| block.kind == BlockKind::Then)
    {
        return false;
    }
    let Origin::Step(_, job, step) = unit.origin else { return true };
    let checks_out_here = job.steps.iter().any(|step| {
        step.is_action("actions/checkout")
            && step.input("path").is_none()
            && step.input("repository").is_none()
    });
    let earlier = job.steps.iter().take_while(|other| other.span.start < step.span.start);
    let fetches = |other: &Step| {
        let input = |name: &str| other.input(name).is_some_and(|input| input.value != "false");
        let more = input("repository") || input("path") || input("submodules");
        other.is_action("actions/download-artifact")
            || other.is_action("actions/cache")
            || (other.is_action("actions/checkout") && more)
    };
    let downloads =
        earlier.filter(|other| fetches(other) || Unit::of_step_commands(other).iter().any(brings));
    let folder = step.run.as_ref().and_then(|run| run.folder.as_deref()).unwrap_or_default();
    checks_out_here && downloads.count() == 0 && !folder.contains('$')
}

/// Whether a path leads into a folder that an installation or a build makes, and that no repository has.
fn is_installed(path: &str) -> bool {
    let folders = ["node_modules", "vendor", ".venv", "venv", "target", "dist", "build"];
    path.split('/').any(|part| folders.contains(&part))
}

/// Whether an action before this step may make a file: any but those of well-known owners.
fn may_be_made(unit: Unit<'_>) -> bool {
    let Origin::Step(_, job, step) = unit.origin else { return false };
    let mut earlier = job.steps.iter().take_while(|other| other.span.start < step.span.start);
    let owners = ["actions/", "aws-actions/", "docker/", "github/"];
    earlier.any(|other| {
        other.uses.as_ref().is_some_and(|(uses, _)| !owners.iter().any(|owner| uses.starts_with(owner)))
    })
}

fn is_made_executable(unit: Unit<'_>, word: &Word) -> bool {
    let name = word.text.rsplit('/').next().unwrap_or_default();
    let makes = |command: &Command| {
        command.name() == "chmod"
            && command
                .words
                .iter()
                .any(|word| word.text.contains(name) || word.text.contains(['*', '$', '.']))
    };
    let here = unit.shell.commands.iter().any(makes);
    let Origin::Step(_, job, _) = unit.origin else { return here };
    here || job.steps.iter().flat_map(Unit::of_step_commands).any(makes)
}
