//! QS818: outputs of steps and jobs that nobody sets. GitHub takes them for empty, and goes on.

use quickserve_core::document::{Span, nearest};
use quickserve_core::finding::{Code, Finding};

use super::absent::{contexts, is_expression};
use crate::workflow::Pipelines;
use crate::workflow::actions::{Job, Step, Workflow};
use crate::workflow::pipelines::{Placed, Unit};
use crate::workflow::programs::{DEPLOY_ACTIONS, RENDER_ACTION};
use crate::workflow::pushed::BUILD_ACTION;
use crate::workflow::shell::Command;

/// All outputs of well-known actions, as their `action.yml` lists them.
const OF_ACTIONS: [(&str, &[&str]); 3] = [
    (BUILD_ACTION, &["imageid", "digest", "metadata"]),
    (RENDER_ACTION, &["task-definition"]),
    (DEPLOY_ACTIONS[0], &["task-definition-arn", "codedeploy-deployment-id", "run-task-arn"]),
];

/// How many outputs of one step or job are looked at.
const MANY: usize = 200;

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in pipelines.files() {
        for job in &workflow.jobs {
            for step in &job.steps {
                let earlier = job.steps.iter().filter(|other| other.span.start < step.span.start);
                let earlier: Vec<&Step> = earlier.collect();
                findings.extend(of_text(pipelines, workflow, job, &earlier, &step.span));
            }
            let all: Vec<&Step> = job.steps.iter().collect();
            for output in &job.outputs {
                findings.extend(of_text(pipelines, workflow, job, &all, &output.span));
            }
        }
    }
    findings
}

/// What a part of a file names that is set nowhere.
fn of_text(
    pipelines: &Pipelines,
    workflow: &Workflow,
    job: &Job,
    steps: &[&Step],
    span: &Span,
) -> Vec<Finding> {
    let text = workflow.file.text.get(span.clone()).unwrap_or_default();
    let mut findings = Vec::new();
    for (at, context, name) in contexts(text).take(MANY) {
        let before = &text[..at];
        let Some(output) = text[at + context.len() + name.len()..].strip_prefix(".outputs.") else {
            continue;
        };
        let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
        let output = &output[..output.find(|char| !is_part(char)).unwrap_or(output.len())];
        if output.is_empty() || !is_expression(before) {
            continue;
        }
        let set = if context == "steps." {
            let step = steps.iter().rfind(|step| is_named(step.id.as_deref(), name));
            step.and_then(|step| outputs_of_step(pipelines, Placed { workflow, job, step }, output))
        } else {
            let needed = workflow.jobs.iter().find(|other| is_named(Some(&other.id), name));
            needed.filter(|needed| needed.uses.is_none()).map(outputs_of_job)
        };
        let Some(set) = set.filter(|set| !set.iter().any(|known| known.eq_ignore_ascii_case(output))) else {
            continue;
        };
        let start = span.start + at;
        let whole = start..start + context.len() + name.len() + ".outputs.".len() + output.len();
        findings.push(unset(workflow, &whole, (context, name, output), &set));
    }
    findings
}

fn is_named(known: Option<&str>, name: &str) -> bool {
    known.is_some_and(|known| known.eq_ignore_ascii_case(name))
}

fn unset(workflow: &Workflow, span: &Span, named: (&str, &str, &str), set: &[String]) -> Finding {
    let (context, name, output) = named;
    let (noun, hint) = if context == "steps." {
        ("step", format!("echo \"{output}=...\" >> \"$GITHUB_OUTPUT\" in that step"))
    } else {
        ("job", format!("write `outputs: {{ {output}: ... }}` into that job"))
    };
    let message =
        format!("{context}{name}.outputs.{output} is empty here: {noun} {name} sets no output {output}");
    let near = nearest(output, set.iter().map(String::as_str));
    let hint = near.map_or(hint, |near| format!("did you mean {near}"));
    workflow.file.error(Code::DANGLING_NAME, span, message).with_hint(hint)
}

fn outputs_of_job(job: &Job) -> Vec<String> {
    job.outputs.iter().map(|output| output.key.clone()).collect()
}

/// The outputs that a step sets, where all of them are known; none where it may set others.
fn outputs_of_step(pipelines: &Pipelines, placed: Placed<'_>, wanted: &str) -> Option<Vec<String>> {
    let step = placed.step;
    if step.uses.is_some() {
        let known = OF_ACTIONS.iter().find(|(action, _)| step.is_action(action));
        if let Some((_, outputs)) = known {
            return Some(outputs.iter().map(|output| (*output).to_owned()).collect());
        }
        let inner = pipelines.steps_of(placed);
        return inner.get(1).map(|first| outputs_of_job(first.job));
    }
    let run = step.run.as_ref()?;
    // Another shell than those of Unix is not read.
    if run.commands.commands.is_empty() {
        return None;
    }
    let units = pipelines.with_called(placed.unit()?);
    let mut outputs = Vec::new();
    for unit in units {
        let text = unit.step().and_then(|step| step.run.as_ref()).map_or(&*unit.file.text, |run| &*run.text);
        // Whatever writes it, there it is.
        if names(text, wanted) {
            return None;
        }
        let commands = &unit.shell.commands;
        let written: Vec<Written> = commands.iter().filter_map(written).collect();
        let is_all_read =
            text.matches("GITHUB_OUTPUT").count() == written.len() && !text.contains("set-output");
        if !is_all_read || !commands.iter().all(|command| is_plain(unit, command)) {
            return None;
        }
        for name in written {
            match name {
                Written::Named(name) => outputs.push(name),
                Written::Any => return None,
            }
        }
    }
    Some(outputs)
}

/// Whether a text has a word as a name of its own.
fn names(text: &str, word: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    text.match_indices(word).any(|(at, _)| {
        let is_whole = !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part);
        let sets = text[at + word.len()..].starts_with(['=', '<', '"', '\'']);
        is_whole && sets
    })
}

/// The output that a command writes.
enum Written {
    Named(String),
    /// Which, nobody can tell here.
    Any,
}

fn written(command: &Command) -> Option<Written> {
    let is_output = |text: &str| text.contains("GITHUB_OUTPUT");
    if !command.redirects.iter().any(|redirect| is_output(&redirect.target.text)) {
        return None;
    }
    let word = command.words.iter().skip(1).find(|word| !word.text.starts_with('-'));
    let name =
        word.filter(|_| command.prints()).and_then(|word| Some(word.text.split_once('=')?.0.to_owned()));
    let is_plain = |name: &String| !name.is_empty() && !name.contains(['$', '%', '`', '\n', '<']);
    Some(name.filter(is_plain).map_or(Written::Any, Written::Named))
}

/// Whether a command surely writes no output but where it says so.
fn is_plain(unit: Unit<'_>, command: &Command) -> bool {
    const PLAIN: [&str; 32] = [
        "", "echo", "printf", "docker", "aws", "git", "export", "set", "cd", "mkdir", "cp", "mv", "rm", "ls",
        "cat", "sed", "jq", "yq", "envsubst", "curl", "date", "cut", "tr", "head", "tail", "grep", "test",
        "[", "[[", "sleep", "exit", "true",
    ];
    let name = command.name();
    let is_function = unit.shell.commands.iter().any(|inner| unit.shell.is_body_of(inner, command));
    PLAIN.contains(&name) || is_function || command.tests() || command.called_script().is_some()
}
