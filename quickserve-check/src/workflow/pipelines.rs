//! All workflows and scripts, and the texts of commands in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use quickserve_core::finding::Finding;

use crate::workflow::actions::{Job, Step, Workflow};
use crate::workflow::programs::DEPLOY_ACTIONS;
use crate::workflow::scripts::{self, Found, Script};
use crate::workflow::shell::{Command, Shell, Word};
use crate::workflow::template::{self, Template};
use crate::{Subject, Text, inside};

/// How many workflows are read at most.
const WORKFLOWS: usize = 500;

/// The workflows and scripts of a project.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Pipelines {
    /// In the order of their names.
    pub workflows: Vec<Workflow>,
    /// In the order of their paths.
    pub scripts: Vec<Script>,
    /// The composite actions of the project that are used, by the paths of their folders.
    pub(crate) composites: BTreeMap<PathBuf, Workflow>,
    /// What the paths of called scripts lead to, relative to the root.
    pub(crate) found: BTreeMap<PathBuf, Found>,
    /// The task definitions that are registered or deployed, and the subject's own, by their paths.
    pub(crate) templates: BTreeMap<PathBuf, Template>,
    /// The path of the subject's own.
    pub(crate) definition: Option<PathBuf>,
}

/// A text of commands: the `run` of a step, or a script.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    /// The file that it is in.
    pub(crate) file: &'a Text,
    /// Its commands.
    pub(crate) shell: &'a Shell,
    /// What it is.
    pub(crate) origin: Origin<'a>,
}

/// Where commands are from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// A step of a workflow.
    Step(&'a Workflow, &'a Job, &'a Step),
    /// A script.
    Script(&'a Script),
}

/// What runs as one: a workflow with the scripts that it calls, or a script that no workflow calls.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// The workflow.
    pub(crate) workflow: Option<&'a Workflow>,
    /// Its steps, and those of the composite actions that they use.
    pub(crate) steps: Vec<Placed<'a>>,
    /// All texts of commands.
    pub(crate) units: Vec<Unit<'a>>,
}

/// A step, with the job and the file that it stands in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    /// Its workflow, or composite action.
    pub(crate) workflow: &'a Workflow,
    /// Its job.
    pub(crate) job: &'a Job,
    /// Itself.
    pub(crate) step: &'a Step,
}

/// Reads all of them, and says what could not be read.
pub(crate) fn read(subject: &Subject) -> (Pipelines, Vec<Finding>) {
    let (workflows, mut findings) = workflows(subject);
    let (mut scripts, more) = scripts::read(subject);
    findings.extend(more);
    let composites = composites(subject, &workflows);
    let mut pipelines = Pipelines { workflows, composites, ..Pipelines::default() };
    // A script that is called may call another.
    loop {
        pipelines.scripts = scripts.values().cloned().collect();
        let called = pipelines.called_paths();
        let new: Vec<PathBuf> =
            called.into_iter().filter(|path| !pipelines.found.contains_key(path)).collect();
        if new.is_empty() {
            break;
        }
        for path in new {
            let found = scripts::look(&subject.path(&path));
            pipelines.found.insert(path.clone(), found);
            if found == Found::Missing || scripts.contains_key(&path) {
                continue;
            }
            match inside::read(subject, &path) {
                Ok(file) => {
                    scripts.insert(path.clone(), Script::of(path, file));
                }
                Err(finding) => findings.push(*finding),
            }
        }
    }
    pipelines.definition = subject.definition.as_deref().and_then(scripts::normal);
    let registered = template::registered(&pipelines).into_iter().map(|(path, ..)| path);
    let of_actions = template::of_actions(&pipelines);
    let paths: Vec<PathBuf> =
        registered.chain(pipelines.definition.clone()).chain(of_actions.iter().cloned()).collect();
    for path in of_actions {
        let found = scripts::look(&subject.path(&path));
        pipelines.found.insert(path, found);
    }
    for path in paths {
        if let Some(template) = Template::read(subject, &path) {
            pipelines.templates.insert(path, template);
        }
    }
    (pipelines, findings)
}

fn workflows(subject: &Subject) -> (Vec<Workflow>, Vec<Finding>) {
    let folder = Path::new(".github/workflows");
    let there = inside::inside(&subject.root, folder);
    let entries = there.into_iter().flat_map(std::fs::read_dir).flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| folder.join(entry.file_name())).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml"));
    names.sort();
    let (mut workflows, mut findings) = (Vec::new(), Vec::new());
    for path in names.into_iter().take(WORKFLOWS) {
        match inside::read(subject, &path) {
            Ok(file) => {
                let (workflow, more) = Workflow::read(file);
                workflows.extend(workflow);
                findings.extend(more);
            }
            Err(finding) => findings.push(*finding),
        }
    }
    (workflows, findings)
}

/// The composite actions that workflows use, and those that these use. One that is not there, or that cannot be read,
/// fails its step when it runs; here nothing is known of it.
fn composites(subject: &Subject, workflows: &[Workflow]) -> BTreeMap<PathBuf, Workflow> {
    let used = |workflow: &Workflow| -> Vec<PathBuf> {
        let steps = workflow.jobs.iter().flat_map(|job| &job.steps);
        steps.filter_map(Step::local_action).filter_map(|path| scripts::normal(Path::new(path))).collect()
    };
    let mut open: Vec<PathBuf> = workflows.iter().flat_map(used).collect();
    let mut looked: BTreeSet<PathBuf> = BTreeSet::new();
    let mut composites = BTreeMap::new();
    while let Some(folder) = open.pop() {
        if looked.len() >= WORKFLOWS || !looked.insert(folder.clone()) {
            continue;
        }
        let files = ["action.yml", "action.yaml"].map(|name| folder.join(name));
        let text = files.iter().find_map(|path| inside::read(subject, path).ok());
        if let Some(composite) = text.and_then(Workflow::of_composite) {
            open.extend(used(&composite));
            composites.insert(folder, composite);
        }
    }
    composites
}

impl Pipelines {
    /// Every text of commands.
    pub(crate) fn units(&self) -> impl Iterator<Item = Unit<'_>> {
        self.files().flat_map(Unit::of_workflow).chain(self.scripts.iter().map(Unit::of_script))
    }

    /// Every file with steps: the workflows, and the composite actions that they use.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Workflow> {
        self.workflows.iter().chain(self.composites.values())
    }

    /// A step, followed by those of the composite action that it uses.
    pub(crate) fn steps_of<'a>(&'a self, placed: Placed<'a>) -> Vec<Placed<'a>> {
        let mut steps = vec![placed];
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        let mut next = 0;
        while let Some(Placed { step, .. }) = steps.get(next).copied() {
            next += 1;
            let folder = step.local_action().and_then(|path| scripts::normal(Path::new(path)));
            let Some(folder) = folder.filter(|folder| seen.insert(folder.clone())) else { continue };
            let Some(workflow) = self.composites.get(&folder) else { continue };
            steps.extend(Placed::all(workflow));
        }
        steps
    }

    /// What runs as one.
    pub(crate) fn scopes(&self) -> Vec<Scope<'_>> {
        let mut scopes = Vec::new();
        let mut called: Vec<&Path> = Vec::new();
        for workflow in &self.workflows {
            let steps: Vec<Placed<'_>> =
                Placed::all(workflow).flat_map(|placed| self.steps_of(placed)).collect();
            let mut units: Vec<Unit<'_>> = steps.iter().filter_map(Placed::unit).collect();
            self.add_called(&mut units);
            called.extend(units.iter().filter_map(Unit::script).map(|script| script.path.as_path()));
            scopes.push(Scope { workflow: Some(workflow), steps, units });
        }
        for script in &self.scripts {
            if !called.contains(&script.path.as_path()) {
                let mut units = vec![Unit::of_script(script)];
                self.add_called(&mut units);
                scopes.push(Scope { workflow: None, steps: Vec::new(), units });
            }
        }
        scopes
    }

    /// Adds the scripts that are called, and those that they call.
    fn add_called<'a>(&'a self, units: &mut Vec<Unit<'a>>) {
        let mut next = 0;
        while let Some(unit) = units.get(next).copied() {
            next += 1;
            for script in self.scripts_called(unit) {
                if !units.iter().filter_map(Unit::script).any(|known| known.path == script.path) {
                    units.push(Unit::of_script(script));
                }
            }
        }
    }

    /// A text of commands, and the scripts that it calls.
    pub(crate) fn with_called<'a>(&'a self, unit: Unit<'a>) -> Vec<Unit<'a>> {
        let mut units = vec![unit];
        self.add_called(&mut units);
        units
    }

    /// The scripts that a text of commands calls.
    pub(crate) fn scripts_called<'a>(&'a self, unit: Unit<'a>) -> Vec<&'a Script> {
        let calls = unit.shell.commands.iter().filter_map(Command::called_script);
        let paths: Vec<PathBuf> = calls.flat_map(|(word, _)| unit.paths(&word.text)).collect();
        self.scripts.iter().filter(|script| paths.contains(&script.path)).collect()
    }

    fn called_paths(&self) -> Vec<PathBuf> {
        let of_unit = |unit: Unit<'_>| -> Vec<PathBuf> {
            let calls = unit.shell.commands.iter().filter_map(Command::called_script);
            calls.flat_map(|(word, _)| unit.paths(&word.text)).collect()
        };
        self.units().flat_map(of_unit).collect()
    }

    /// Whether a step puts a release into service, by itself or by a script.
    pub(crate) fn step_deploys(&self, workflow: &Workflow, job: &Job, step: &Step) -> bool {
        let steps = self.steps_of(Placed { workflow, job, step });
        if steps.iter().any(|placed| DEPLOY_ACTIONS.iter().any(|action| placed.step.is_action(action))) {
            return true;
        }
        let units = self.units_of_step(workflow, job, step);
        units.iter().any(|unit| unit.shell.commands.iter().any(Command::deploys))
    }

    /// The commands of a step, and the scripts that it calls.
    pub(crate) fn units_of_step<'a>(
        &'a self,
        workflow: &'a Workflow,
        job: &'a Job,
        step: &'a Step,
    ) -> Vec<Unit<'a>> {
        let steps = self.steps_of(Placed { workflow, job, step });
        let mut units: Vec<Unit<'a>> = steps.iter().filter_map(Placed::unit).collect();
        self.add_called(&mut units);
        units
    }

    /// Whether a job puts a release into service.
    pub(crate) fn job_deploys(&self, workflow: &Workflow, job: &Job) -> bool {
        job.steps.iter().any(|step| self.step_deploys(workflow, job, step))
    }
}

impl<'a> Placed<'a> {
    /// All steps of a workflow, in its order.
    pub(crate) fn all(workflow: &'a Workflow) -> impl Iterator<Item = Self> {
        let steps = workflow.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (job, step)));
        steps.map(move |(job, step)| Self { workflow, job, step })
    }

    /// Its commands.
    pub(crate) fn unit(&self) -> Option<Unit<'a>> {
        Unit::of_step(self.workflow, self.job, self.step)
    }
}

impl<'a> Unit<'a> {
    pub(crate) fn of_step(workflow: &'a Workflow, job: &'a Job, step: &'a Step) -> Option<Self> {
        let shell = &step.run.as_ref()?.commands;
        Some(Self { file: &workflow.file, shell, origin: Origin::Step(workflow, job, step) })
    }

    pub(crate) fn of_script(script: &'a Script) -> Self {
        Self { file: &script.file, shell: &script.commands, origin: Origin::Script(script) }
    }

    fn of_workflow(workflow: &'a Workflow) -> impl Iterator<Item = Self> {
        Placed::all(workflow).filter_map(|placed| placed.unit())
    }

    /// The commands of a step.
    pub(crate) fn of_step_commands(step: &'a Step) -> &'a [Command] {
        step.run.as_ref().map(|run| run.commands.commands.as_slice()).unwrap_or_default()
    }

    /// The script that it is.
    pub(crate) fn script(&self) -> Option<&'a Script> {
        match self.origin {
            Origin::Script(script) => Some(script),
            Origin::Step(..) => None,
        }
    }

    /// The step that it is, with where it stands.
    pub(crate) fn placed(&self) -> Option<Placed<'a>> {
        match self.origin {
            Origin::Step(workflow, job, step) => Some(Placed { workflow, job, step }),
            Origin::Script(_) => None,
        }
    }

    /// The step that it is.
    pub(crate) fn step(&self) -> Option<&'a Step> {
        match self.origin {
            Origin::Step(.., step) => Some(step),
            Origin::Script(_) => None,
        }
    }

    /// The paths from the root that one may mean here. A script may run in the root or in its own folder.
    pub(crate) fn paths(&self, written: &str) -> Vec<PathBuf> {
        let folders: Vec<PathBuf> = match self.origin {
            Origin::Step(_, _, step) => {
                let folder = step.run.as_ref().and_then(|run| run.folder.as_deref()).unwrap_or_default();
                vec![folder.into()]
            }
            Origin::Script(script) => {
                vec![PathBuf::new(), script.path.parent().map(Path::to_owned).unwrap_or_default()]
            }
        };
        let known = folders.iter().map(|folder| folder.join(written));
        let known = known.filter(|path| !path.to_string_lossy().contains(['$', '*', '`', '~']));
        known.filter_map(|path| scripts::normal(&path)).collect()
    }

    /// The value of a variable, where it is written out and can be no other.
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        let mut assigned = self.shell.assignments().filter(|set| set.name == name);
        let value = match (assigned.next(), assigned.next()) {
            (Some(set), None) => Some(set.value.text.as_str()),
            (Some(_), Some(_)) => None,
            (None, _) => match self.origin {
                Origin::Step(workflow, job, step) => {
                    let all = step.env.iter().chain(&job.env).chain(&workflow.env);
                    all.into_iter().find(|input| input.key == name).map(|input| input.value.as_str())
                }
                Origin::Script(_) => None,
            },
        };
        value.filter(|value| !value.contains(['$', '`']))
    }
}

impl Command {
    /// The script that it calls by a path that is written out, and whether it is run by itself, without a shell's name.
    pub(crate) fn called_script(&self) -> Option<(&Word, bool)> {
        let words = self.program();
        let first = words.first()?;
        let (word, direct) = match first.text.as_str() {
            "bash" | "sh" | "source" | "." | "/bin/bash" | "/bin/sh" => {
                (words[1..].iter().find(|word| !word.text.starts_with(['-', '+']))?, false)
            }
            text => (first, text.contains('/')),
        };
        let is_path = !word.text.contains(['$', '*', '`', '\n']) && !word.text.starts_with('/');
        let is_called = direct || !std::ptr::eq(word, first);
        (is_path && is_called && scripts::is_script(Path::new(&word.text))).then_some((word, direct))
    }
}
