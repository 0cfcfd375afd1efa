//! Why tasks failed.

use std::collections::BTreeSet;

use aws_sdk_ecs::types::{Container, DesiredStatus, Task, TaskStopCode};
use quickserve_core::Result;
use quickserve_core::orchestrator::TaskFailure;
use quickserve_core::release::ReleaseId;

use super::known::Known;
use super::log::Output;
use super::observe::task_id;
use super::platform::Ecs;

/// Of how many tasks the log is read, one for each way to fail.
const LOGS: usize = 3;

impl Ecs {
    /// The release's tasks that failed, newest first. The newest of each way to fail has the end of its log.
    pub(super) async fn failures(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>> {
        let mut failed = Vec::new();
        for task in self.tasks(DesiredStatus::Stopped).await? {
            let known = self.known(task.task_definition_arn().unwrap_or_default()).await?;
            if known.release.as_ref() == Some(release)
                && has_failed(&task)
                && let Some(failure) = failure(&task)
            {
                failed.push((failure, task, known));
            }
        }
        failed.sort_by_key(|(failure, ..)| std::cmp::Reverse(failure.ended));
        let mut read: BTreeSet<(String, String)> = BTreeSet::new();
        for (failure, task, known) in &mut failed {
            let way = (failure.container.clone(), failure.reason.clone());
            if read.len() < LOGS && read.insert(way) {
                self.read_log(failure, task, known).await;
            }
        }
        Ok(failed.into_iter().map(|(failure, ..)| failure).collect())
    }

    /// Puts the end of its container's log into a failure, or why it is not to be had.
    async fn read_log(&self, failure: &mut TaskFailure, task: &Task, known: &Known) {
        let Some(container) = culprit(task).filter(|container| container.exit_code().is_some()) else {
            // What never ran has said nothing.
            return;
        };
        let output = container.name().and_then(|name| known.outputs.get(name)).unwrap_or(&Output::Nowhere);
        match self.last_lines(output, container, &failure.task.0).await {
            Ok(lines) => {
                failure.last_words = lines.iter().rev().find(|line| !line.trim().is_empty()).cloned();
                failure.log_tail = lines;
            }
            Err(why) => failure.log_unread = Some(why),
        }
    }
}

/// Whether a task ended for a reason of its own, and not because it was replaced, scaled away or stopped.
pub(super) fn has_failed(task: &Task) -> bool {
    match task.stop_code() {
        Some(TaskStopCode::UserInitiated) => false,
        // The scheduler stops what it replaces and what fails its checks; only words tell which.
        Some(TaskStopCode::ServiceSchedulerInitiated) => {
            task.stopped_reason().is_some_and(|reason| reason.contains("failed"))
        }
        _ => true,
    }
}

/// The container that ended a task: it says why, or ended with an error.
fn culprit(task: &Task) -> Option<&Container> {
    let containers = task.containers();
    containers
        .iter()
        .find(|container| container.reason().is_some())
        .or_else(|| containers.iter().find(|container| container.exit_code().is_some_and(|code| code != 0)))
        .or_else(|| containers.first())
}

pub(super) fn failure(task: &Task) -> Option<TaskFailure> {
    let culprit = culprit(task);
    let exit_code = culprit.and_then(Container::exit_code).map(i64::from);
    let said = culprit.and_then(Container::reason).or(task.stopped_reason());
    let out_of_memory = said.is_some_and(|said| said.contains("OutOfMemory"));
    let reason = match (exit_code, said) {
        (Some(code), Some(said)) => format!("exited {code}: {said}"),
        (Some(code), None) => format!("exited {code}"),
        (None, Some(said)) => said.to_owned(),
        (None, None) => task.stop_code()?.as_str().to_owned(),
    };
    Some(TaskFailure {
        task: task_id(task),
        container: culprit.and_then(Container::name).unwrap_or_default().to_owned(),
        reason,
        exit_code,
        out_of_memory,
        ended: task.stopped_at().and_then(|at| jiff::Timestamp::from_second(at.secs()).ok()),
        log_tail: Vec::new(),
        last_words: None,
        log_unread: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(code: TaskStopCode, reason: &str) -> aws_sdk_ecs::types::builders::TaskBuilder {
        Task::builder().task_arn("arn:aws:ecs:us-east-1:1:task/c/abc").stop_code(code).stopped_reason(reason)
    }

    #[test]
    fn what_was_replaced_or_stopped_by_a_person_has_not_failed() {
        for (code, reason, failed) in [
            (TaskStopCode::EssentialContainerExited, "Essential container in task exited", true),
            (TaskStopCode::TaskFailedToStart, "ResourceInitializationError: unable to pull secrets", true),
            (TaskStopCode::ServiceSchedulerInitiated, "Task failed container health checks", true),
            (
                TaskStopCode::ServiceSchedulerInitiated,
                "Scaling activity initiated by (deployment ecs-svc/1)",
                false,
            ),
            (TaskStopCode::UserInitiated, "Task stopped by user", false),
        ] {
            assert_eq!(has_failed(&stopped(code, reason).build()), failed, "{reason}");
        }
    }

    #[test]
    fn the_container_that_ended_it_is_named_with_its_exit_code() {
        let side = Container::builder().name("side").exit_code(0).build();
        let app = Container::builder().name("app").exit_code(137).reason("OutOfMemoryError: killed").build();
        let task = stopped(TaskStopCode::EssentialContainerExited, "Essential container in task exited");
        let failure = failure(&task.containers(side).containers(app).build()).expect("a failure");
        assert_eq!((failure.container.as_str(), failure.exit_code), ("app", Some(137)));
        assert!(failure.out_of_memory);
        assert_eq!(failure.reason, "exited 137: OutOfMemoryError: killed");
    }

    #[test]
    fn a_task_that_never_started_says_why() {
        let task = stopped(TaskStopCode::TaskFailedToStart, "CannotPullContainerError: not found").build();
        assert_eq!(failure(&task).expect("a failure").reason, "CannotPullContainerError: not found");
    }
}
