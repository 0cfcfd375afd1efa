//! Workflows of GitHub Actions: what of them can be judged.
//!
//! Source of the names: GitHub, "Workflow syntax for GitHub Actions". A part of another shape than GitHub asks for is
//! read as absent; GitHub says so itself before anything runs.

use quickserve_core::document::{Entry, Node, Span, Value};
use quickserve_core::finding::{Code, Finding};

use crate::Text;
use crate::workflow::mapped::Mapping;
use crate::workflow::shell::Shell;
use crate::workflow::yaml;

/// A workflow of `.github/workflows`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Workflow {
    /// The file.
    pub file: Text,
    /// What GitHub calls it.
    pub name: Option<String>,
    /// The events that start it.
    pub on: Vec<String>,
    /// Variables of every job.
    pub env: Vec<Input>,
    /// Where `permissions` is.
    pub permissions: Option<Span>,
    /// Whether its permissions, where it says any, have `id-token: write`.
    pub id_token: Option<bool>,
    /// Where `concurrency` is.
    pub concurrency: Option<Span>,
    /// In the order of the file.
    pub jobs: Vec<Job>,
}

/// A job of a workflow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Job {
    /// Its key.
    pub id: String,
    /// Where its key is.
    pub span: Span,
    /// The jobs that must succeed before.
    pub needs: Vec<String>,
    /// The labels of its runner.
    pub runs_on: Vec<(String, Span)>,
    /// The workflow that it calls instead of having steps.
    pub uses: Option<(String, Span)>,
    /// Variables of every step.
    pub env: Vec<Input>,
    /// What it hands on to the jobs that need it.
    pub outputs: Vec<Input>,
    /// Its condition.
    pub condition: Option<(String, Span)>,
    /// Where it is said that its failure does not matter.
    pub continue_on_error: Option<Span>,
    /// Where `permissions` is.
    pub permissions: Option<Span>,
    /// Whether its permissions, where it says any, have `id-token: write`.
    pub id_token: Option<bool>,
    /// Where `concurrency` is.
    pub concurrency: Option<Span>,
    /// In order.
    pub steps: Vec<Step>,
}

/// A step of a job.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// All of it.
    pub span: Span,
    /// What GitHub calls it.
    pub name: Option<String>,
    /// What other steps call it.
    pub id: Option<String>,
    /// The action that it runs.
    pub uses: Option<(String, Span)>,
    /// The commands that it runs.
    pub run: Option<Run>,
    /// Inputs of the action.
    pub with: Vec<Input>,
    /// Variables.
    pub env: Vec<Input>,
    /// Its condition.
    pub condition: Option<(String, Span)>,
    /// Where it is said that its failure does not matter.
    pub continue_on_error: Option<Span>,
}

/// The commands of a step.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Run {
    /// Where they are.
    pub span: Span,
    /// As the shell gets them.
    pub text: String,
    /// The shell that is asked for, where one is.
    pub shell: Option<String>,
    /// The folder that they run in, where it is not that of the checkout.
    pub folder: Option<String>,
    /// The commands; none where the shell is not one of Unix.
    pub commands: Shell,
}

/// A key with a scalar value, such as an input or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub key_span: Span,
    /// The value as text.
    pub value: String,
    /// Where the value is.
    pub span: Span,
}

/// Shell and folder that steps run with where they say nothing.
#[derive(Clone, Default)]
struct Defaults {
    shell: Option<String>,
    folder: Option<String>,
}

impl Workflow {
    /// Reads a file; what is wrong with its syntax, or with the little that every workflow needs, is found.
    pub(crate) fn read(file: Text) -> (Option<Self>, Vec<Finding>) {
        let tree = match yaml::parse(file.source(), Code::WORKFLOW_SYNTAX) {
            Ok(tree) => tree,
            Err(findings) => return (None, findings),
        };
        let Some(jobs) = tree.get("jobs").and_then(Node::as_table) else {
            let finding = file.error(Code::WORKFLOW_SYNTAX, &(0..0), format!("{} has no jobs", file.file));
            return (None, vec![finding.with_hint("write `jobs:` with at least one job")]);
        };
        let defaults = Defaults::default().under(&tree);
        let workflow = Self {
            name: text(&tree, "name"),
            on: tree.get("on").map(names).unwrap_or_default(),
            env: inputs(&tree, "env"),
            permissions: key(&tree, "permissions"),
            id_token: id_token(&tree),
            concurrency: key(&tree, "concurrency"),
            jobs: jobs.entries.iter().map(|entry| job(&file, entry, &defaults)).collect(),
            file,
        };
        (Some(workflow), Vec::new())
    }

    /// Reads the `action.yml` of a composite action: its steps run where the action is used, as those of one job. Of an
    /// action of another kind, and of a file that cannot be read, nothing is known.
    pub(crate) fn of_composite(file: Text) -> Option<Self> {
        let tree = yaml::parse(file.source(), Code::WORKFLOW_SYNTAX).ok()?;
        let entry = tree.as_table()?.entry("runs")?;
        if text(&entry.node, "using").as_deref() != Some("composite") {
            return None;
        }
        let mut runs = job(&file, entry, &Defaults::default());
        let outputs = tree.get("outputs").and_then(Node::as_table).map(|table| table.entries.as_slice());
        let output = |entry: &Entry| Input {
            key: entry.key.clone(),
            key_span: entry.key_span.clone(),
            value: text(&entry.node, "value").unwrap_or_default(),
            span: entry.node.span.clone(),
        };
        runs.outputs = outputs.unwrap_or_default().iter().map(output).collect();
        Some(Self {
            name: text(&tree, "name"),
            on: Vec::new(),
            env: Vec::new(),
            permissions: None,
            id_token: None,
            concurrency: None,
            jobs: vec![runs],
            file,
        })
    }

    /// The job of that key.
    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// Whether a job runs only after another, however many are between them.
    pub fn is_after(&self, job: &Job, earlier: &Job) -> bool {
        let mut open: Vec<&str> = job.needs.iter().map(String::as_str).collect();
        let mut seen: Vec<&str> = Vec::new();
        while let Some(id) = open.pop() {
            if id == earlier.id {
                return true;
            }
            if !seen.contains(&id) {
                seen.push(id);
                open.extend(self.job(id).into_iter().flat_map(|job| job.needs.iter().map(String::as_str)));
            }
        }
        false
    }

    /// Whether other workflows call it, and nothing else starts it.
    pub fn is_only_called(&self) -> bool {
        self.on == ["workflow_call"]
    }
}

impl Step {
    /// An input of its action.
    pub fn input(&self, key: &str) -> Option<&Input> {
        self.with.iter().find(|input| input.key == key)
    }

    /// The folder of the action of this repository that it runs.
    pub fn local_action(&self) -> Option<&str> {
        self.uses.as_ref().map(|(uses, _)| uses.as_str()).filter(|uses| uses.starts_with("./"))
    }

    /// Whether its action is that one, in any version.
    pub fn is_action(&self, name: &str) -> bool {
        let action = self.uses.as_ref().and_then(|(uses, _)| uses.split('@').next());
        action.is_some_and(|action| action.eq_ignore_ascii_case(name))
    }
}

impl Defaults {
    fn under(&self, node: &Node) -> Self {
        let run = node.get("defaults").and_then(|defaults| defaults.get("run"));
        let said = |key| run.and_then(|run| text(run, key));
        Self {
            shell: said("shell").or_else(|| self.shell.clone()),
            folder: said("working-directory").or_else(|| self.folder.clone()),
        }
    }
}

fn job(file: &Text, entry: &Entry, defaults: &Defaults) -> Job {
    let node = &entry.node;
    let mut defaults = defaults.under(node);
    let runs_on = node.get("runs-on").map(labels).unwrap_or_default();
    if runs_on.iter().any(|(label, _)| label.contains("windows")) && defaults.shell.is_none() {
        defaults.shell = Some("pwsh".into());
    }
    let steps = node.get("steps").map(Node::items).unwrap_or_default();
    Job {
        id: entry.key.clone(),
        span: entry.key_span.clone(),
        needs: node.get("needs").map(names).unwrap_or_default(),
        uses: spanned(node, "uses"),
        env: inputs(node, "env"),
        outputs: inputs(node, "outputs"),
        condition: spanned(node, "if"),
        continue_on_error: ignored_failure(node),
        permissions: key(node, "permissions"),
        id_token: id_token(node),
        concurrency: key(node, "concurrency"),
        steps: steps.iter().map(|node| step(file, node, &defaults)).collect(),
        runs_on,
    }
}

fn step(file: &Text, node: &Node, defaults: &Defaults) -> Step {
    Step {
        span: node.span.clone(),
        name: text(node, "name"),
        id: text(node, "id"),
        uses: spanned(node, "uses"),
        run: node.get("run").and_then(|run| commands(file, node, run, defaults)),
        with: inputs(node, "with"),
        env: inputs(node, "env"),
        condition: spanned(node, "if"),
        continue_on_error: ignored_failure(node),
    }
}

fn commands(file: &Text, step: &Node, run: &Node, defaults: &Defaults) -> Option<Run> {
    let text_of_run = run.as_str()?.to_owned();
    let shell = text(step, "shell").or_else(|| defaults.shell.clone());
    let program = shell.as_deref().and_then(|shell| shell.split_whitespace().next());
    let is_unix = program.is_none_or(|program| matches!(program, "bash" | "sh" | "zsh" | "dash"));
    let commands = if is_unix {
        Shell::read(&text_of_run, &Mapping::of_scalar(&file.text, run, &text_of_run))
    } else {
        Shell::default()
    };
    let folder = text(step, "working-directory").or_else(|| defaults.folder.clone());
    Some(Run { span: run.span.clone(), text: text_of_run, shell, folder, commands })
}

/// A scalar as GitHub hands it on.
fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) | Value::Datetime(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Table(_) => None,
    }
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(scalar)
}

fn spanned(node: &Node, key: &str) -> Option<(String, Span)> {
    let value = node.get(key)?;
    Some((scalar(value)?, value.span.clone()))
}

fn key(node: &Node, key: &str) -> Option<Span> {
    node.as_table()?.entry(key).map(|entry| entry.key_span.clone())
}

/// Whether `permissions`, where there are any, have `id-token: write`.
fn id_token(node: &Node) -> Option<bool> {
    let permissions = node.get("permissions")?;
    Some(match &permissions.value {
        Value::Table(_) => text(permissions, "id-token").as_deref() == Some("write"),
        _ => scalar(permissions).as_deref() == Some("write-all"),
    })
}

/// Where it says `continue-on-error: true`.
fn ignored_failure(node: &Node) -> Option<Span> {
    let value = node.get("continue-on-error")?;
    (value.value == Value::Boolean(true)).then(|| value.span.clone())
}

fn inputs(node: &Node, key: &str) -> Vec<Input> {
    let entries = node.get(key).and_then(Node::as_table).map(|table| table.entries.as_slice());
    let input = |entry: &Entry| {
        let value = scalar(&entry.node)?;
        let (key, key_span) = (entry.key.clone(), entry.key_span.clone());
        Some(Input { key, key_span, value, span: entry.node.span.clone() })
    };
    entries.unwrap_or_default().iter().filter_map(input).collect()
}

/// One name, a list of names, or the keys of a table.
fn names(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Table(table) => table.entries.iter().map(|entry| entry.key.clone()).collect(),
        Value::Array(items) => items.iter().filter_map(scalar).collect(),
        _ => scalar(node).into_iter().collect(),
    }
}

/// The labels of `runs-on`, in each of its forms.
fn labels(node: &Node) -> Vec<(String, Span)> {
    match &node.value {
        Value::Table(_) => node.get("labels").map(labels).unwrap_or_default(),
        Value::Array(items) => items.iter().flat_map(labels).collect(),
        _ => scalar(node).map(|label| (label, node.span.clone())).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Workflow {
        Workflow::read(Text::new("ci.yml", text)).0.expect("a workflow")
    }

    #[test]
    fn jobs_and_steps_are_read_with_their_places() {
        let workflow = read(
            "name: CI\non: [push, pull_request]\nenv: { A: 1 }\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    \
             steps:\n      - uses: actions/checkout@v6\n        with: { fetch-depth: 0 }\n  b:\n    needs: a\n    if: always()\n    \
             steps:\n      - name: go\n        run: |\n          echo é\n          docker push x\n",
        );
        assert_eq!(workflow.on, ["push", "pull_request"]);
        assert_eq!(workflow.env[0].value, "1");
        let (a, b) = (&workflow.jobs[0], &workflow.jobs[1]);
        assert!(a.steps[0].is_action("actions/checkout"));
        assert_eq!(a.steps[0].input("fetch-depth").expect("an input").value, "0");
        assert!(workflow.is_after(b, a) && !workflow.is_after(a, b));
        let run = b.steps[0].run.as_ref().expect("commands");
        let place = workflow.file.source().place(run.commands.commands[1].span.start);
        assert_eq!(place.to_string(), "ci.yml:18:11");
    }

    #[test]
    fn shell_and_folder_come_from_the_nearest_that_says_them() {
        let workflow = read(
            "on: push\ndefaults: { run: { shell: bash, working-directory: app } }\njobs:\n  a:\n    steps:\n      - run: a\n  \
             w:\n    runs-on: windows-latest\n    defaults: { run: { shell: pwsh } }\n    steps:\n      - run: b\n",
        );
        let run = |job: usize| workflow.jobs[job].steps[0].run.as_ref().expect("commands");
        assert_eq!((run(0).shell.as_deref(), run(0).folder.as_deref()), (Some("bash"), Some("app")));
        assert_eq!(run(1).commands, Shell::default());
    }

    #[test]
    fn a_file_without_jobs_is_no_workflow() {
        let (workflow, findings) = Workflow::read(Text::new("ci.yml", "on: push\n"));
        assert!(workflow.is_none());
        assert_eq!(findings[0].message, "ci.yml has no jobs");
    }

    #[test]
    fn needs_that_go_in_a_circle_end() {
        let workflow = read("on: push\njobs:\n  a: { needs: b }\n  b: { needs: a }\n  c: {}\n");
        assert!(!workflow.is_after(&workflow.jobs[0], &workflow.jobs[2]));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
        #[test]
        fn no_commands_in_any_style_make_it_panic(
            style in "(\\||>|\\|-|>\\+|\\|2|'|\"|)",
            commands in "([a$(){};|<'\"\\\\`#é ]|\n        |docker push x:latest|aws ecs wait|\\$\\{\\{|\\}\\}){0,30}",
        ) {
            let text = format!("on: push\njobs:\n  a:\n    steps:\n      - run: {style}\n        {commands}{style}\n");
            if let (Some(workflow), _) = Workflow::read(Text::new("ci.yml", text)) {
                let run = workflow.jobs[0].steps.first().and_then(|step| step.run.as_ref());
                for word in run.into_iter().flat_map(|run| &run.commands.commands).flat_map(|command| &command.words) {
                    let _ = workflow.file.warning(Code::WORKFLOW_SYNTAX, &word.span, "a word");
                }
            }
        }
    }
}
