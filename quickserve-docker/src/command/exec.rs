//! A command in a task that runs.

use quickserve_core::orchestrator::{TaskId, TaskPhase};
use quickserve_core::release::Release;
use quickserve_core::{Error, ErrorKind, Result};

use super::running::Running;
use crate::engine::{RunState, TerminalSize};
use crate::platform::DockerPlatform;
use crate::task_set::Task;
use quickserve_core::document::near;

/// A command to run in a task.
#[derive(Debug, Clone, Default)]
pub struct Exec {
    /// The task: its id, the part of it that `status` shows, or its place in the set; the first one without.
    pub task: Option<String>,
    /// The container; the one that takes requests, or the first essential one, without.
    pub container: Option<String>,
    /// The command.
    pub command: Vec<String>,
    /// The size of the terminal that it gets, if it gets one.
    pub terminal: Option<TerminalSize>,
    /// Whether it reads anything.
    pub input: bool,
}

/// Where a command will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecPlace {
    /// The task.
    pub task: TaskId,
    /// The container of the workload.
    pub container: String,
    /// The engine's id of it.
    pub(super) id: String,
}

impl DockerPlatform {
    /// Finds the container of a release's task that a command is meant for.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when no task of the release runs; [`ErrorKind::Invalid`] when none is meant, or
    /// several are, or the container does not run.
    pub async fn find_task(&self, release: &Release, exec: &Exec) -> Result<ExecPlace> {
        let listed = self.sets().list().await?;
        let mut tasks = self.sets().tasks(&listed).await?;
        tasks.retain(|task| {
            task.release == release.id && !task.is_doomed() && task.phase() != TaskPhase::Ended
        });
        let task = match &exec.task {
            None => tasks.first().ok_or_else(|| {
                let message = format!("no task of {:#} runs", release.id);
                Error::new(ErrorKind::Conflict, message)
                    .with_hint("quickserve status shows what there is; quickserve scale 1 starts one")
            })?,
            Some(word) => meant(&tasks, word)?,
        };
        let container = match &exec.container {
            Some(container) => container.as_str(),
            None => release.workload.main_container(),
        };
        match task.containers.get(container) {
            Some(found) if found.state == RunState::Running => {
                Ok(ExecPlace { task: task.id.clone(), container: container.to_owned(), id: found.id.clone() })
            }
            Some(_) => {
                let message = format!("container {container} of task {} does not run", task.id);
                Err(Error::new(ErrorKind::Invalid, message))
            }
            None => Err(no_container(container, task.containers.keys().map(String::as_str))),
        }
    }

    /// Runs a command where [`find_task`](Self::find_task) found it to be meant.
    ///
    /// # Errors
    /// When the engine refuses or does not answer. A program that is not there is told by the command's output
    /// and exit code.
    pub async fn exec(&self, place: &ExecPlace, exec: &Exec) -> Result<Running> {
        let terminal = exec.terminal.is_some();
        let engine = self.engine();
        let id = engine.create_exec(&place.id, &exec.command, terminal, exec.input).await?;
        let attached = engine.start_exec(&id, terminal).await?;
        if let Some(size) = exec.terminal {
            engine.resize_exec(&id, size).await?;
        }
        Ok(Running::exec(engine.clone(), id, attached))
    }
}

/// The task that a word means.
fn meant<'a>(tasks: &'a [Task], word: &str) -> Result<&'a Task> {
    let found: Vec<&Task> = tasks
        .iter()
        .filter(|task| {
            let id = task.id.0.as_str();
            id == word || word.len() > 2 && id.contains(word) || task.ordinal.to_string() == word
        })
        .collect();
    let names = || tasks.iter().map(|task| task.id.0.as_str()).collect::<Vec<_>>().join(", ");
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(Error::new(ErrorKind::Invalid, format!("no task is named {word}"))
            .with_hint(format!("there are: {}", names()))),
        _ => Err(Error::new(ErrorKind::Invalid, format!("{word} means several tasks"))
            .with_hint(format!("name one of {}", names()))),
    }
}

/// The error about a container that a workload does not have.
pub(super) fn no_container<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    let hint = match near(name, known.clone()).first() {
        Some(near) => format!("did you mean {near}"),
        None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
    };
    Error::new(ErrorKind::Invalid, format!("no container is named {name}")).with_hint(hint)
}
