//! QS802: a task definition is filled in and written to one file, and another file is registered.

use std::path::PathBuf;

use quickserve_core::finding::{Code, Finding};

use crate::workflow::Pipelines;
use crate::workflow::pipelines::{Placed, Unit};
use crate::workflow::programs::RENDER_ACTION;
use crate::workflow::scripts::normal;
use crate::workflow::shell::Command;
use crate::workflow::template;

use super::images::{changes, is_filled};

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, unit, command) in template::registered(pipelines) {
        let Some(template) = pipelines.templates.get(&path) else { continue };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // What is registered with its placeholders has a finding of its own.
        if !template.placeholders.is_empty() || is_filled(pipelines, &name) {
            continue;
        }
        let rendered = rendered_beside(unit, &name, command).or_else(|| by_action(unit, &path));
        let Some(rendered) = rendered else { continue };
        let flag =
            command.flag("--cli-input-json").map_or_else(|| command.span.clone(), |word| word.span.clone());
        let message =
            format!("{} is registered as it stands: what was filled in is {rendered}", template.file.file);
        let finding = unit.file.error(Code::NOT_DEPLOYED, &flag, message);
        findings.push(finding.with_hint(format!("register {rendered}")));
    }
    findings
}

/// The file into which a command before has written the definition with its image filled in, and which nothing uses.
fn rendered_beside(unit: Unit<'_>, name: &str, register: &Command) -> Option<String> {
    let commands = &unit.shell.commands;
    let before = commands.iter().filter(|command| command.span.start < register.span.start);
    let fills = |command: &&Command| {
        matches!(command.name(), "envsubst" | "sed" | "jq" | "yq")
            && !changes(command, name)
            && command.all_words().any(|word| word.text.contains(name))
    };
    let output = before.into_iter().filter(fills).find_map(|command| {
        let written = command.redirects.iter().find(|redirect| redirect.operator == ">")?;
        Some((command.span.start, written.target.text.clone()))
    });
    let (at, output) = output.filter(|(_, output)| !output.contains(['$', '`']) && output != "/dev/null")?;
    let used = |command: &Command| {
        command.span.start != at && command.all_words().any(|word| word.text.contains(&*output))
    };
    (!commands.iter().any(used)).then_some(output)
}

/// The output of the action that has rendered the definition in a step before.
fn by_action(unit: Unit<'_>, path: &PathBuf) -> Option<String> {
    let Placed { workflow, job, step } = unit.placed()?;
    let renders = |other: &&crate::workflow::actions::Step| {
        let input = other.input("task-definition").and_then(|input| normal(input.value.as_ref()));
        other.is_action(RENDER_ACTION) && other.span.start < step.span.start && input.as_ref() == Some(path)
    };
    let id = job.steps.iter().find(renders)?.id.as_ref()?;
    let output = format!("steps.{id}.outputs.task-definition");
    (!workflow.file.text.contains(&output)).then(|| format!("${{{{ {output} }}}}"))
}
