//! Task definitions that pipelines register: the images that they name, and the placeholders that ECS would refuse.

use std::path::{Path, PathBuf};

use quickserve_core::document::{Node, Span, Value, parse_json};
use quickserve_core::finding::Code;

use crate::workflow::actions::Step;
use crate::workflow::pipelines::{Origin, Pipelines, Unit};
use crate::workflow::programs::{DEPLOY_ACTIONS, RENDER_ACTION};
use crate::workflow::scripts;
use crate::workflow::shell::Command;
use crate::{Subject, Text, inside};

/// A task definition in a file.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// The file.
    pub(crate) file: Text,
    /// The names of its containers.
    pub(crate) containers: Vec<String>,
    /// The images of its containers.
    pub(crate) images: Vec<String>,
    /// Each `${NAME}` in a field where ECS expands nothing, with its place.
    pub(crate) placeholders: Vec<(String, Span)>,
}

/// Fields whose text ECS takes as it is. A command may have a `${NAME}` for the shell of its container.
const LITERAL: [&str; 5] = ["image", "executionRoleArn", "taskRoleArn", "valueFrom", "family"];

impl Template {
    /// Reads a file; none where it is not there or no JSON, which others say.
    pub(crate) fn read(subject: &Subject, path: &Path) -> Option<Self> {
        Self::of(inside::read(subject, path).ok()?)
    }

    fn of(file: Text) -> Option<Self> {
        let tree = parse_json(file.source(), Code::DEFINITION_SYNTAX, Code::DEFINITION_INCOMPLETE).ok()?;
        let containers = tree.get("containerDefinitions").map(Node::items).unwrap_or_default();
        let names =
            containers.iter().filter_map(|container| container.get("name")?.as_str().map(str::to_owned));
        let names = names.collect();
        let images = containers.iter().filter_map(|container| container.get("image"));
        let images = images.filter_map(Node::as_str).map(str::to_owned).collect();
        let mut placeholders = Vec::new();
        collect(&file, &tree, false, &mut placeholders);
        Some(Self { file, containers: names, images, placeholders })
    }
}

fn collect(file: &Text, node: &Node, literal: bool, found: &mut Vec<(String, Span)>) {
    match &node.value {
        Value::Table(table) => {
            for entry in &table.entries {
                collect(file, &entry.node, LITERAL.contains(&entry.key.as_str()), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(file, item, false, found)),
        Value::String(_) if literal => {
            let written = file.text.get(node.span.clone()).unwrap_or_default();
            for (at, _) in written.match_indices("${") {
                let length = written[at..].find('}').map_or(2, |end| end + 1);
                let start = node.span.start + at;
                found.push((written[at..at + length].to_owned(), start..start + length));
            }
        }
        _ => {}
    }
}

/// Each task definition that is registered as it stands in a file: its path from the root, and by what.
pub(crate) fn registered(pipelines: &Pipelines) -> Vec<(PathBuf, Unit<'_>, &Command)> {
    let of_unit = |unit| {
        let Unit { shell, .. } = unit;
        let registers = |command: &&Command| command.is("aws ecs register-task-definition");
        shell.commands.iter().filter(registers).filter_map(move |command| {
            let file = command.option("--cli-input-json")?.strip_prefix("file://")?;
            // A script runs in the root, as far as one can tell.
            let path = match unit.origin {
                Origin::Step(..) => unit.paths(file).pop()?,
                Origin::Script(_) => unit.paths(file).into_iter().next()?,
            };
            Some((scripts::normal(&path)?, unit, command))
        })
    };
    pipelines.units().flat_map(of_unit).collect()
}

/// Whether pipelines always write another image into a container of a task definition before they register it: by the
/// action of AWS, or by a command that names the file and the container's image.
pub(crate) fn is_replaced(pipelines: &Pipelines, path: &Path, container: Replaced<'_>) -> bool {
    let Some(file) = path.file_name().map(|name| name.to_string_lossy()) else { return false };
    let steps = || pipelines.files().flat_map(|workflow| &workflow.jobs).flat_map(|job| &job.steps);
    let given = |step: &Step| {
        step.input("task-definition").and_then(|input| scripts::normal(input.value.as_ref())).as_deref()
            == Some(path)
    };
    let renders = |step: &Step| {
        let is_it = |key: &str, value: &str| step.input(key).is_some_and(|input| input.value == value);
        step.is_action(RENDER_ACTION)
            && given(step)
            && is_it("container-name", container.name)
            && step.input("image").is_some_and(|input| input.value.contains('$'))
    };
    // One that is deployed as it stands as well keeps its image.
    let stands = steps().any(|step| step.is_action(DEPLOY_ACTIONS[0]) && given(step));
    let writes = |unit: Unit<'_>| {
        let named = |command: &&Command| command.all_words().any(|word| word.text.contains(&*file));
        unit.shell.commands.iter().filter(named).any(|command| container.is_written_by(command))
    };
    !stands && (steps().any(renders) || pipelines.units().any(writes))
}

/// A container whose image may be replaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replaced<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Which of the definition's it is, from 0.
    pub(crate) index: usize,
    /// Its image as it is written.
    pub(crate) image: &'a str,
}

impl Replaced<'_> {
    fn is_written_by(self, command: &Command) -> bool {
        let text = command.all_words().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        match command.name() {
            "jq" | "yq" => {
                let is_chosen = [
                    format!("containerDefinitions[{}].image", self.index),
                    "containerDefinitions[].image".to_owned(),
                ];
                is_chosen.iter().any(|path| text.contains(path))
                    || (text.contains(".image") && text.contains(&format!("\"{}\"", self.name)))
            }
            // A substitution names what it looks for.
            "sed" | "perl" => {
                let repository = self.image.split(['@', ':']).next().unwrap_or_default();
                let name = repository.rsplit('/').next().unwrap_or_default();
                !name.is_empty()
                    && text.contains('$')
                    && (text.contains(self.image) || text.contains(repository))
            }
            _ => false,
        }
    }
}

/// The paths of the task definitions that actions of AWS are given.
pub(crate) fn of_actions(pipelines: &Pipelines) -> Vec<PathBuf> {
    let steps = pipelines.files().flat_map(|workflow| &workflow.jobs).flat_map(|job| &job.steps);
    let acts = |step: &&Step| step.is_action(DEPLOY_ACTIONS[0]) || step.is_action(RENDER_ACTION);
    let inputs = steps.filter(acts).filter_map(|step| step.input("task-definition"));
    inputs
        .filter(|input| !input.value.contains('$'))
        .filter_map(|input| scripts::normal(input.value.as_ref()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_count_where_ecs_takes_a_text_as_it_is() {
        let text =
            "{\"containerDefinitions\": [{\n\"image\": \"${A}/x:${B}\", \"command\": [\"echo ${C}\"]}]}";
        let template = Template::of(Text::new("t.json", text)).expect("a template");
        let names: Vec<_> = template.placeholders.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["${A}", "${B}"]);
        assert_eq!(template.file.source().place(template.placeholders[1].1.start).to_string(), "t.json:2:18");
        assert_eq!(template.images, ["${A}/x:${B}"]);
    }
}
