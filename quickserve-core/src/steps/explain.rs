//! Why a release did not come up, as causes of the failure that is told.

use crate::engine::Run;
use crate::error::Result;
use crate::event::Progress;
use crate::journal::Cause;
use crate::orchestrator::TaskFailure;
use crate::release::ReleaseId;
use crate::remedy::remedy;

/// How many ways in which tasks failed are told; others are rare, and in the events.
const WAYS: usize = 3;

impl Run {
    /// A cause with what the platform knows of the release: its tasks' ends, grouped, with the last words of the newest;
    /// what else keeps it from coming up; and the remedy that fits, where the cause has none of its own.
    pub(crate) async fn explained(&self, cause: Cause, release: &ReleaseId) -> Cause {
        let failures = self.platform.explain(release).await;
        self.completed(cause, &failures, release).await
    }

    /// The same, and the newest task of each way to fail is reported: nobody has seen it fail where the platform
    /// replaces tasks by itself.
    pub(crate) async fn reported(&self, cause: Cause, release: &ReleaseId) -> Cause {
        let failures = self.platform.explain(release).await;
        for way in ways(failures.as_deref().unwrap_or_default()).into_iter().take(WAYS) {
            self.emit(Progress::TaskFailed { release: release.clone(), failure: way.newest.clone() });
        }
        self.completed(cause, &failures, release).await
    }

    async fn completed(
        &self,
        cause: Cause,
        failures: &Result<Vec<TaskFailure>>,
        release: &ReleaseId,
    ) -> Cause {
        let cause = match failures {
            Ok(failures) => cause.because(told(failures)),
            // The failure that is being told matters more; that its cause is unknown is part of it.
            Err(error) => cause.because([format!("why its tasks ended could not be asked: {error}")]),
        };
        let since = self.journal.state().open.as_ref().map_or(self.listened, |open| open.started);
        let mut cause = match self.platform.circumstances(release, since).await {
            Ok(known) => cause.because(known),
            Err(error) => {
                cause.because([format!("what else the platform knows could not be asked: {error}")])
            }
        };
        if cause.hint.is_none() {
            let said: Vec<&str> = cause.causes.iter().map(String::as_str).collect();
            cause.hint = remedy(&said);
        }
        cause
    }
}

/// Tasks that failed alike.
struct Way<'a> {
    newest: &'a TaskFailure,
    count: usize,
}

/// The ways in which tasks failed, that of the newest first.
fn ways(failures: &[TaskFailure]) -> Vec<Way<'_>> {
    let mut ways: Vec<Way<'_>> = Vec::new();
    for failure in failures {
        let alike = |way: &&mut Way<'_>| {
            way.newest.container == failure.container && way.newest.reason == failure.reason
        };
        match ways.iter_mut().find(alike) {
            Some(way) => way.count += 1,
            None => ways.push(Way { newest: failure, count: 1 }),
        }
    }
    ways
}

/// One line for each way, and the last words of the newest task.
fn told(failures: &[TaskFailure]) -> Vec<String> {
    let ways = ways(failures);
    let mut causes: Vec<String> = ways.iter().take(WAYS).map(Way::told).collect();
    if let Some(newest) = failures.first() {
        let words = newest.last_words.as_ref().map(|line| format!("last log {line:?}"));
        causes.extend(words.or_else(|| newest.log_unread.clone()));
    }
    causes
}

impl Way<'_> {
    fn told(&self) -> String {
        let TaskFailure { task, container, reason, .. } = self.newest;
        // A task whose containers never were has none to blame.
        let who = if container.is_empty() { String::new() } else { format!("{container} ") };
        match self.count {
            1 => format!("task {task}: {who}{reason}"),
            count => format!("{count} x {who}{reason}, the last in task {task}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::TaskId;

    fn failure(task: &str, container: &str, reason: &str, last_words: Option<&str>) -> TaskFailure {
        TaskFailure {
            task: TaskId(task.into()),
            container: container.into(),
            reason: reason.into(),
            exit_code: None,
            out_of_memory: false,
            ended: None,
            log_tail: Vec::new(),
            last_words: last_words.map(str::to_owned),
            log_unread: last_words.is_none().then(|| "log group /ecs/shop does not exist".to_owned()),
        }
    }

    #[test]
    fn tasks_that_failed_alike_are_one_cause() {
        let failures = [
            failure("t3", "app", "exited 1", Some("no table orders")),
            failure("t2", "", "CannotPullContainerError: not found", None),
            failure("t1", "app", "exited 1", Some("no table orders")),
        ];
        assert_eq!(
            told(&failures),
            [
                "2 x app exited 1, the last in task t3",
                "task t2: CannotPullContainerError: not found",
                "last log \"no table orders\"",
            ]
        );
        assert_eq!(told(&failures[1..2])[1], "log group /ecs/shop does not exist");
        assert!(told(&[]).is_empty());
    }
}
