//! A command in a task of its own, made as those of the release that serves.

use aws_sdk_ecs::operation::run_task::RunTaskOutput;
use aws_sdk_ecs::types::{ContainerOverride, Failure, Tag, TaskOverride};
use quickserve_core::release::Release;
use quickserve_core::remedy::remedy;
use quickserve_core::{Error, ErrorKind, Result};

use super::super::observe::task_id;
use super::super::platform::Ecs;
use super::running::RunningTask;
use crate::error::{Call, call};

const RUN: Call = call("ecs", "RunTask");
/// The tag by which a command's task is told from a service's.
const COMMAND_TAG: &str = "quickserve:command";
/// ECS API reference, `RunTask`: `startedBy` has at most 128 letters, digits, hyphens, slashes and underscores.
const LONGEST_NAME: usize = 128;

/// A command to run in a task of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOff {
    /// The container of the workload that runs it.
    pub container: String,
    /// What follows the entry point.
    pub command: Vec<String>,
    /// Who runs it, such as `ada@laptop`: it is `startedBy` of the task.
    pub by: String,
}

impl Ecs {
    /// Runs a command in a task of its own (`RunTask`): the task definition that the service runs, its network, its
    /// launch type or capacity providers and its platform version. The command replaces that of its container, and the
    /// entry point stays; the task's other containers run beside it.
    ///
    /// The caller [ends](super::TaskHandle::stop) it. What a dead caller left ends with its command.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the service runs something else than this release, or ECS has no room for a task.
    pub async fn run(&self, release: &Release, one_off: &OneOff) -> Result<RunningTask> {
        let live = self.live().await?.ok_or_else(|| self.no_service("run a command beside it"))?;
        let Some(primary) = live.primary() else { return Err(self.no_service("run a command beside it")) };
        let known = self.known(&primary.revision).await?;
        if known.release.as_ref() != Some(&release.id) {
            let message = format!(
                "run a command beside {:#}: service {} runs something else",
                release.id,
                self.service()
            );
            return Err(
                Error::new(ErrorKind::Conflict, message).with_hint("quickserve status shows what it runs")
            );
        }
        let container = ContainerOverride::builder()
            .name(&one_off.container)
            .set_command(Some(one_off.command.clone()))
            .build();
        let service = &live.service;
        let mut request = self
            .client()
            .run_task()
            .cluster(self.cluster())
            .task_definition(&primary.revision)
            .count(1)
            .started_by(started_by(&one_off.by))
            .tags(Tag::builder().key(COMMAND_TAG).value(self.family()).build())
            .overrides(TaskOverride::builder().container_overrides(container).build())
            .set_network_configuration(service.network_configuration().cloned())
            .set_platform_version(service.platform_version().map(str::to_owned));
        // ECS API reference, `RunTask`: one or the other.
        request = match service.capacity_provider_strategy() {
            [] => request.set_launch_type(service.launch_type().cloned()),
            providers => request.set_capacity_provider_strategy(Some(providers.to_vec())),
        };
        let answer = request.send().await.map_err(|error| RUN.failed(error))?;
        let task = started(&answer)?;
        Ok(RunningTask::new(self.clone(), task.0, task.1, known, &one_off.container))
    }
}

/// The task's ARN, and its id.
fn started(answer: &RunTaskOutput) -> Result<(String, quickserve_core::orchestrator::TaskId)> {
    if let Some(failure) = answer.failures().first() {
        return Err(no_room(failure));
    }
    let task = answer.tasks().first();
    let started = task.and_then(|task| Some((task.task_arn()?.to_owned(), task_id(task))));
    started
        .ok_or_else(|| Error::new(ErrorKind::Unexpected, "ecs:RunTask: read the answer, which names no task"))
}

/// ECS documentation, "API failure reasons": such as `RESOURCE:MEMORY`.
fn no_room(failure: &Failure) -> Error {
    let reason = failure.reason().unwrap_or("no reason");
    let detail = failure.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let error =
        Error::new(ErrorKind::Conflict, format!("ecs:RunTask: no task was started: {reason}{detail}"));
    match remedy(&[reason]) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn started_by(by: &str) -> String {
    let clean = by.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' });
    "quickserve/".chars().chain(clean).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_it_is_said_in_the_letters_that_ecs_takes() {
        assert_eq!(started_by("ada@lap.top"), "quickserve/ada-lap-top");
        assert_eq!(started_by(&"x".repeat(200)).len(), LONGEST_NAME);
    }

    #[test]
    fn a_want_of_room_is_said_in_ecs_words() {
        let failure = Failure::builder().reason("RESOURCE:MEMORY").build();
        let error = started(&RunTaskOutput::builder().failures(failure).build()).expect_err("no room");
        assert_eq!(error.to_string(), "ecs:RunTask: no task was started: RESOURCE:MEMORY");
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}
