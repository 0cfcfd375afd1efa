//! Why tasks failed.

use std::collections::VecDeque;
use std::sync::Mutex;

use quickserve_core::orchestrator::TaskFailure;
use quickserve_core::release::ReleaseId;

use super::task::{Ending, Task, has_failed_to_start};
use crate::engine::{Engine, Inspected, LogFrame};

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
    let tail = engine.log_tail(container, LOG_LINES).await;
    let started = !has_failed_to_start(container);
    Some(TaskFailure {
        task: task.id.clone(),
        container: part.name.clone(),
        reason: reason(container),
        exit_code: started.then_some(container.exit_code),
        out_of_memory: container.oom_killed,
        ended: container.ended,
        last_words: last_words(&tail, container.exit_code != 0),
        log_tail: tail.into_iter().map(|frame| frame.text).collect(),
        log_unread: None,
    })
}

/// The line that says most of why a container ended. One that fails says it on stderr; what it wrote to stdout at the
/// same time may come later in the log.
fn last_words(tail: &[LogFrame], failed: bool) -> Option<String> {
    let says = |frame: &&LogFrame| !frame.text.trim().is_empty();
    let on_stderr = tail.iter().rev().filter(|frame| failed && frame.is_stderr).find(says);
    on_stderr.or_else(|| tail.iter().rev().find(says)).map(|frame| frame.text.clone())
}

/// The exit code of what was killed: by the kernel for want of memory, or by somebody.
const SIGKILLED: i64 = 137;

/// In words, such as `exited 1`.
pub(crate) fn reason(container: &Inspected) -> String {
    if has_failed_to_start(container) {
        let error = container.start_error.as_deref().unwrap_or_default();
        return format!("could not start: {}", innermost(error));
    }
    reason_of(container.exit_code, container.oom_killed, container.memory)
}

/// The same of an end that is known by its exit code, under a limit of memory in bytes.
pub(crate) fn reason_of(exit_code: i64, out_of_memory: bool, memory: Option<u64>) -> String {
    if out_of_memory {
        return match memory {
            Some(bytes) => format!("ran out of memory (limit {} MiB)", bytes / 1024 / 1024),
            None => "ran out of memory".into(),
        };
    }
    // The kernel tells the engine of it apart from the container's end, and on a busy machine the engine may never hear.
    if let (SIGKILLED, Some(bytes)) = (exit_code, memory) {
        let limit = bytes / 1024 / 1024;
        return format!(
            "exited 137 (killed by SIGKILL; if nobody did that, for want of memory: limit {limit} MiB)"
        );
    }
    match (exit_code, signal(exit_code)) {
        (code, Some(signal)) => format!("exited {code} (killed by {signal})"),
        (code, None) => format!("exited {code}"),
    }
}

/// What the engine's nested message is about in the end.
pub(crate) fn innermost(error: &str) -> String {
    let tail = error.rsplit("caused: ").next().unwrap_or(error);
    let tail = tail.rsplit("failed: unable to start container process: ").next().unwrap_or(tail);
    quickserve_core::text::plain(tail.trim_end_matches(": unknown").trim())
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
    fn who_fails_says_why_on_stderr() {
        let said = |is_stderr, text: &str| LogFrame { time: None, is_stderr, text: text.into() };
        let tail = [
            said(true, "listening"),
            said(true, "panic: no table orders"),
            said(true, " "),
            said(false, "connecting"),
        ];
        assert_eq!(last_words(&tail, true).as_deref(), Some("panic: no table orders"));
        assert_eq!(last_words(&tail, false).as_deref(), Some("connecting"));
        assert_eq!(last_words(&tail[3..], true).as_deref(), Some("connecting"));
        assert_eq!(last_words(&[], true), None);
    }

    #[test]
    fn the_engine_is_brought_to_the_point() {
        let said = "OCI runtime create failed: container_linux.go:380: starting container process caused: \
                    exec: \"/nope\": stat /nope: no such file or directory: unknown";
        assert_eq!(innermost(said), "exec: \"/nope\": stat /nope: no such file or directory");
    }
}
