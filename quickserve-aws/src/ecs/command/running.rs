//! A command's task while it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ecs::types::{Container, Task};
use futures_util::stream::unfold;
use jiff::Timestamp;
use quickserve_core::clock::after;
use quickserve_core::log::{LogEntries, LogEntry};
use quickserve_core::orchestrator::TaskId;
use quickserve_core::remedy::remedy;
use quickserve_core::{Error, ErrorKind, Result};

use super::super::known::Known;
use super::super::log::{Output, Source};
use super::super::platform::Ecs;
use crate::error::{Call, call};

const DESCRIBE: Call = call("ecs", "DescribeTasks");
const STOP: Call = call("ecs", "StopTask");
/// How soon the task is looked at again, at first and later.
const SOONEST: Duration = Duration::from_millis(500);
const LATEST: Duration = Duration::from_secs(3);
/// How long after its end a container's last lines may come: the log driver sends them in batches.
const SETTLE: Duration = Duration::from_secs(3);
/// How often in a row a look may fail for a reason that passes.
const PATIENCE: u32 = 5;

/// A command that runs in a task of its own.
pub struct RunningTask {
    /// What its container writes, until some seconds after its end; what is not read of it is said.
    pub output: LogEntries,
    handle: TaskHandle,
}

/// A handle to it, for while its output is elsewhere.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    ecs: Ecs,
    arn: String,
    container: String,
}

/// How far a container has come.
enum Stage {
    /// It will run, or it runs.
    Alive(Box<Container>),
    /// It has ended with this code.
    Ended(i64, Box<Container>),
    /// Its task has ended, and it never ran; or ECS knows nothing of it.
    Lost(String),
}

impl RunningTask {
    pub(super) fn new(ecs: Ecs, arn: String, id: TaskId, known: Arc<Known>, container: &str) -> Self {
        let handle = TaskHandle { ecs, arn, container: container.to_owned() };
        let follower = Follower {
            handle: handle.clone(),
            id,
            known,
            source: None,
            ended: None,
            is_said: false,
            pause: SOONEST,
            failures: 0,
        };
        let output = unfold(Some(follower), |follower| async move {
            let mut follower = follower?;
            match follower.next().await {
                Ok(entry) => Some((Ok(entry?), Some(follower))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Self { output: Box::pin(output), handle }
    }

    /// A handle to it.
    pub fn handle(&self) -> TaskHandle {
        self.handle.clone()
    }
}

impl TaskHandle {
    /// Waits for the end of the command and answers its exit code. How long that takes is the command's affair.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it could not start, with ECS's reason.
    pub async fn exit_code(&self) -> Result<i64> {
        let mut pause = SOONEST;
        let mut failures = 0;
        loop {
            match self.look().await {
                Ok(Stage::Ended(code, _)) => return Ok(code),
                Ok(Stage::Lost(why)) => {
                    let error = Error::new(ErrorKind::Invalid, format!("the command could not start: {why}"));
                    return Err(match remedy(&[&why]) {
                        Some(hint) => error.with_hint(hint),
                        None => error,
                    });
                }
                Ok(Stage::Alive(_)) => failures = 0,
                Err(error) if error.is_temporary() && failures < PATIENCE => failures += 1,
                Err(error) => return Err(error),
            }
            self.ecs.sleep(pause).await;
            pause = (pause * 3 / 2).min(LATEST);
        }
    }

    /// Asks the task to end: each container's stop signal, its stop timeout, SIGKILL. One that has ended is a success.
    pub async fn stop(&self) -> Result<()> {
        let request = self.ecs.client().stop_task().cluster(self.ecs.cluster()).task(&self.arn);
        match request.reason("stopped by who ran it with quickserve").send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = STOP.failed(error);
                // ECS forgets tasks some time after their end.
                let is_gone = error.kind() == ErrorKind::NotFound || error.to_string().contains("not found");
                if is_gone { Ok(()) } else { Err(error) }
            }
        }
    }

    async fn look(&self) -> Result<Stage> {
        let request = self.ecs.client().describe_tasks().cluster(self.ecs.cluster()).tasks(&self.arn);
        let answer = request.send().await.map_err(|error| DESCRIBE.failed(error))?;
        Ok(match answer.tasks().first() {
            Some(task) => stage(task, &self.container),
            // Right after `RunTask` it may not be known everywhere.
            None => Stage::Alive(Box::new(Container::builder().name(&self.container).build())),
        })
    }
}

fn stage(task: &Task, name: &str) -> Stage {
    let container = task.containers().iter().find(|container| container.name() == Some(name));
    if let Some((container, code)) = container.and_then(|it| Some((it, it.exit_code()?))) {
        return Stage::Ended(i64::from(code), Box::new(container.clone()));
    }
    if task.last_status() == Some("STOPPED") {
        let said = container.and_then(Container::reason).or(task.stopped_reason());
        return Stage::Lost(said.unwrap_or("its task stopped without a reason").to_owned());
    }
    Stage::Alive(Box::new(container.cloned().unwrap_or_else(|| Container::builder().name(name).build())))
}

/// Reads what the container writes while its task is looked at.
struct Follower {
    handle: TaskHandle,
    id: TaskId,
    known: Arc<Known>,
    source: Option<Source>,
    ended: Option<Timestamp>,
    is_said: bool,
    pause: Duration,
    failures: u32,
}

impl Follower {
    async fn next(&mut self) -> Result<Option<LogEntry>> {
        let ecs = self.handle.ecs.clone();
        loop {
            if let Some(why) = self.unread() {
                return Ok(Some(LogEntry::Unread(why)));
            }
            if let Some(source) = &mut self.source {
                match source.read(&ecs).await {
                    Ok(()) => self.failures = 0,
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        let why = source.unread(&error);
                        self.source = None;
                        self.is_said = true;
                        return Ok(Some(LogEntry::Unread(why)));
                    }
                    Err(error) => self.bear(error)?,
                }
                if let Some(line) = self.source.as_mut().and_then(Source::pop) {
                    self.pause = SOONEST;
                    return Ok(Some(LogEntry::Line(line)));
                }
            }
            let settled = self.source.is_none();
            if self.ended.is_some_and(|at| settled || ecs.now() >= after(at, SETTLE)) {
                return Ok(None);
            }
            ecs.sleep(self.pause).await;
            self.pause = (self.pause * 3 / 2).min(LATEST);
            if self.ended.is_none() {
                match self.handle.look().await {
                    Ok(Stage::Alive(container)) => self.meet(&container),
                    // One that was quick has its lines all the same.
                    Ok(Stage::Ended(_, container)) => {
                        self.meet(&container);
                        self.end();
                    }
                    Ok(Stage::Lost(_)) => self.end(),
                    Err(error) => self.bear(error)?,
                }
            }
            if let Some(source) = &mut self.source {
                source.wake();
            }
        }
    }

    fn end(&mut self) {
        self.ended = Some(self.handle.ecs.now());
        self.pause = SOONEST;
    }

    fn bear(&mut self, error: Error) -> Result<()> {
        self.failures += 1;
        if error.is_temporary() && self.failures <= PATIENCE { Ok(()) } else { Err(error) }
    }

    fn output(&self) -> &Output {
        self.known.outputs.get(&self.handle.container).unwrap_or(&Output::Nowhere)
    }

    /// Where its output goes, if it is not read here: said once.
    fn unread(&mut self) -> Option<String> {
        let why = self.output().unread().filter(|_| !self.is_said)?;
        self.is_said = true;
        Some(why)
    }

    fn meet(&mut self, container: &Container) {
        if self.source.is_some() || self.is_said {
            return;
        }
        if let Output::Awslogs(stream) = self.output() {
            let release = self.known.release.clone();
            self.source = Source::of(self.id.clone(), release, container, stream);
        }
    }
}

impl fmt::Debug for RunningTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningTask").field("handle", &self.handle).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_the_containers_own_or_why_it_never_ran() {
        let container = |code: Option<i32>| Container::builder().name("app").set_exit_code(code).build();
        let task = |status: &str, code| Task::builder().last_status(status).containers(container(code));
        assert!(matches!(stage(&task("RUNNING", None).build(), "app"), Stage::Alive(_)));
        // A container that is not essential ends before its task.
        assert!(matches!(stage(&task("RUNNING", Some(3)).build(), "app"), Stage::Ended(3, _)));
        let lost = task("STOPPED", None).stopped_reason("CannotPullContainerError: not found").build();
        assert!(matches!(stage(&lost, "app"), Stage::Lost(why) if why.contains("CannotPull")));
    }
}
