//! What may run after a command: the rest of its text, the functions and scripts that this calls, and whatever follows
//! where its own function or script is called.
//!
//! It is more than what does run, since conditions are not looked at: good for "does anybody wait", not for "this is done".

use std::collections::BTreeSet;
use std::path::Path;

use crate::workflow::Pipelines;
use crate::workflow::actions::Workflow;
use crate::workflow::pipelines::{Origin, Placed, Unit};
use crate::workflow::shell::Command;

/// How many places are followed at most. After more, whatever is asked for counts as found.
const PLACES: usize = 200;

/// Whether anything that may run after a command is so: a command, or a step that runs an action.
pub(crate) fn any_later<'a>(
    pipelines: &'a Pipelines,
    unit: Unit<'a>,
    command: &'a Command,
    is: &dyn Fn(Unit<'a>, &'a Command) -> bool,
    acts: &dyn Fn(Placed<'a>) -> bool,
) -> bool {
    let mut walk = Walk { pipelines, is, acts, seen: BTreeSet::new() };
    walk.after(unit, command)
}

/// The same of what comes after a step.
pub(crate) fn any_after_step<'a>(
    pipelines: &'a Pipelines,
    placed: Placed<'a>,
    is: &dyn Fn(Unit<'a>, &'a Command) -> bool,
    acts: &dyn Fn(Placed<'a>) -> bool,
) -> bool {
    let mut walk = Walk { pipelines, is, acts, seen: BTreeSet::new() };
    walk.after_step(placed)
}

struct Walk<'a, 'w> {
    pipelines: &'a Pipelines,
    is: &'w dyn Fn(Unit<'a>, &'a Command) -> bool,
    acts: &'w dyn Fn(Placed<'a>) -> bool,
    /// Files and places in them from which on all was looked at.
    seen: BTreeSet<(String, usize)>,
}

impl<'a> Walk<'a, '_> {
    /// Whether a place is met for the first time, and there are not too many of them.
    fn enters(&mut self, unit: Unit<'a>, place: usize) -> bool {
        self.seen.insert((unit.file.file.clone(), place))
    }

    fn is_exhausted(&self) -> bool {
        self.seen.len() > PLACES
    }

    fn after(&mut self, unit: Unit<'a>, command: &'a Command) -> bool {
        if !self.enters(unit, command.span.start) {
            return false;
        }
        if self.is_exhausted() {
            return true;
        }
        let rest = unit.shell.commands.iter().filter(|other| other.span.start > command.span.start);
        if rest.clone().any(|other| (self.is)(unit, other)) {
            return true;
        }
        let rest: Vec<&'a Command> = rest.collect();
        if self.called(unit, &rest) {
            return true;
        }
        let function = unit.shell.function_around(command.block);
        if let Some(name) = function {
            let calls = unit.shell.commands.iter().filter(|other| is_call(other, name));
            let calls: Vec<&'a Command> = calls.collect();
            if calls.into_iter().any(|call| self.after(unit, call)) {
                return true;
            }
        }
        match unit.origin {
            Origin::Step(workflow, job, step) => self.after_step(Placed { workflow, job, step }),
            Origin::Script(script) => self.after_calls(&script.path, function),
        }
    }

    /// Whether what commands call is so: functions of their text or of what it reads in, and scripts.
    fn called(&mut self, unit: Unit<'a>, commands: &[&'a Command]) -> bool {
        let near = self.pipelines.with_called(unit);
        for command in commands {
            let name = command.words.first().map_or("", |word| word.text.as_str());
            for other in near.iter().copied().filter(|_| !name.is_empty()) {
                let in_body = |inner: &&Command| other.shell.function_around(inner.block) == Some(name);
                let body: Vec<&'a Command> = other.shell.commands.iter().filter(in_body).collect();
                let Some(first) = body.first() else { continue };
                if self.enters(other, first.span.start.saturating_sub(1))
                    && (body.iter().any(|inner| (self.is)(other, inner)) || self.called(other, &body))
                {
                    return true;
                }
            }
            if command.called_script().is_none() {
                continue;
            }
            let paths = command.called_script().map(|(word, _)| unit.paths(&word.text)).unwrap_or_default();
            for script in self.pipelines.scripts.iter().filter(|script| paths.contains(&script.path)) {
                let units = self.pipelines.with_called(Unit::of_script(script));
                let mut all =
                    units.iter().flat_map(|unit| unit.shell.commands.iter().map(move |it| (*unit, it)));
                if all.any(|(unit, command)| (self.is)(unit, command)) {
                    return true;
                }
            }
        }
        self.is_exhausted()
    }

    /// Whether what follows the calls of a script, or of a function of it that others read in, is so.
    fn after_calls(&mut self, path: &Path, function: Option<&str>) -> bool {
        let units: Vec<Unit<'a>> = self.pipelines.units().collect();
        for unit in units {
            let calls_it = |command: &&'a Command| {
                let paths =
                    command.called_script().map(|(word, _)| unit.paths(&word.text)).unwrap_or_default();
                paths.iter().any(|other| other == path)
            };
            let callers: Vec<&'a Command> = unit.shell.commands.iter().filter(calls_it).collect();
            if callers.is_empty() {
                continue;
            }
            let of_function = unit.shell.commands.iter();
            let of_function =
                of_function.filter(|command| function.is_some_and(|name| is_call(command, name)));
            let callers: Vec<&'a Command> = callers.into_iter().chain(of_function).collect();
            if callers.into_iter().any(|caller| self.after(unit, caller)) {
                return true;
            }
        }
        false
    }

    /// Later steps of the job, and the jobs that wait for it.
    fn after_step(&mut self, placed: Placed<'a>) -> bool {
        let Placed { workflow, job, step } = placed;
        let later = job.steps.iter().filter(|other| other.span.start > step.span.start);
        let later = later.map(|step| Placed { workflow, job, step });
        let jobs = workflow.jobs.iter().filter(|other| workflow.is_after(other, job));
        // What another workflow does is not seen.
        if jobs.clone().any(|job| job.uses.is_some()) {
            return true;
        }
        let of_jobs = jobs.flat_map(|job| job.steps.iter().map(move |step| Placed { workflow, job, step }));
        let steps: Vec<Placed<'a>> = later.chain(of_jobs).collect();
        for placed in steps {
            let inner = self.pipelines.steps_of(placed);
            if inner.iter().any(|placed| (self.acts)(*placed)) {
                return true;
            }
            let units =
                inner.iter().filter_map(Placed::unit).flat_map(|unit| self.pipelines.with_called(unit));
            for unit in units {
                if unit.shell.commands.iter().any(|command| (self.is)(unit, command)) {
                    return true;
                }
            }
        }
        self.after_composite(placed)
    }

    /// What follows the steps that use a composite action, where the step is one of such an action.
    fn after_composite(&mut self, placed: Placed<'a>) -> bool {
        let mut composites = self.pipelines.composites.iter();
        let own = composites.find(|(_, composite)| std::ptr::eq(*composite, placed.workflow));
        let Some((folder, _)) = own else { return false };
        let files: Vec<&'a Workflow> = self.pipelines.files().collect();
        let users = files.into_iter().flat_map(Placed::all).filter(|user| {
            let path = user.step.local_action().map(Path::new).and_then(crate::workflow::scripts::normal);
            path.as_ref() == Some(folder)
        });
        let users: Vec<Placed<'a>> = users.collect();
        users.into_iter().any(|user| {
            let place = user.step.span.start;
            let is_new = self.seen.insert((user.workflow.file.file.clone(), place));
            is_new && (self.is_exhausted() || self.after_step(user))
        })
    }
}

/// Whether a command calls that function.
fn is_call(command: &Command, name: &str) -> bool {
    command.words.first().is_some_and(|word| word.text == name)
}
