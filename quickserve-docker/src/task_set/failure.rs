//! Why tasks failed.

use std::collections::VecDeque;
use std::sync::Mutex;

use quickserve_core::orchestrator::TaskFailure;
use quickserve_core::release::ReleaseId;

use super::task::{Ending, Task, has_failed_to_start};
use crate::engine::{Engine, Inspected, hide};

/// How many last log lines a failure shows.
const LOG_LINES: u32 = 20;
/// How many failures of removed tasks are remembered.
const REMEMBERED: usize = 256;

/// Failures of tasks that are gone, remembered while this process lives.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    gone: Mutex<VecDeque<(ReleaseId, TaskFailure)>>,
}

impl Failures {
    /// Remembers a failure; the same task twice is one.
    pub(crate) fn remember(&self, release: &ReleaseId, failure: TaskFailure) {
        let mut gone = self.gone.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if gone.iter().any(|(_, known)| known.task == failure.task) {
            return;
        }
        if gone.len() == REMEMBERED {
            gone.pop_front();
        }
        gone.push_back((release.clone(), failure));
    }

    /// Those of a release, with these beside them, newest first.
    pub(crate) fn beside(&self, release: &ReleaseId, found: Vec<TaskFailure>) -> Vec<TaskFailure> {
        let gone = self.gone.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut all: Vec<TaskFailure> =
            gone.iter().filter(|(of, _)| of == release).map(|(_, failure)| failure.clone()).collect();
        drop(gone);
        for failure in found {
            if !all.iter().any(|known| known.task == failure.task) {
                all.push(failure);
            }
        }
        all.sort_by(|a, b| b.ended.cmp(&a.ended).then_with(|| a.task.cmp(&b.task)));
        all
    }
}

/// Why a task ended, if it has; its log is read.
pub(crate) async fn explain(engine: &Engine, task: &Task) -> Option<TaskFailure> {
    let Ending { part, container } = task.ending()?;
    let log_tail = engine.log_tail(&container.id, LOG_LINES).await;
    let log_tail = log_tail.iter().map(|line| hide(line, &container.secrets)).collect();
    let started = !has_failed_to_start(container);
    Some(TaskFailure {
        task: task.id.clone(),
        container: part.name.clone(),
        reason: reason(container),
        exit_code: started.then_some(container.exit_code),
        out_of_memory: container.oom_killed,
        ended: container.ended,
        log_tail,
    })
}

/// In words, such as `exited 1`.
fn reason(container: &Inspected) -> String {
    if has_failed_to_start(container) {
        let error = container.start_error.as_deref().unwrap_or_default();
        return format!("could not start: {}", innermost(error));
    }
    if container.oom_killed {
        return match container.memory {
            Some(bytes) => format!("ran out of memory (limit {} MiB)", bytes / 1024 / 1024),
            None => "ran out of memory".into(),
        };
    }
    match (container.exit_code, signal(container.exit_code)) {
        (code, Some(signal)) => format!("exited {code} (killed by {signal})"),
        (code, None) => format!("exited {code}"),
    }
}

/// What the engine's nested message is about in the end.
fn innermost(error: &str) -> String {
    let tail = error.rsplit("caused: ").next().unwrap_or(error);
    let tail = tail.rsplit("failed: unable to start container process: ").next().unwrap_or(tail);
    crate::text::plain(tail.trim_end_matches(": unknown").trim())
}

/// The signal that an exit code above 128 stands for.
fn signal(code: i64) -> Option<&'static str> {
    Some(match code {
        129 => "SIGHUP",
        130 => "SIGINT",
        131 => "SIGQUIT",
        132 => "SIGILL",
        134 => "SIGABRT",
        135 => "SIGBUS",
        136 => "SIGFPE",
        137 => "SIGKILL",
        139 => "SIGSEGV",
        141 => "SIGPIPE",
        143 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_brought_to_the_point() {
        let said = "OCI runtime create failed: container_linux.go:380: starting container process caused: \
                    exec: \"/nope\": stat /nope: no such file or directory: unknown";
        assert_eq!(innermost(said), "exec: \"/nope\": stat /nope: no such file or directory");
    }
}
