//! A command that runs elsewhere, as a session attends it, whatever platform it runs on.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{Stream, TryStreamExt as _};
use quickserve_aws::ecs::{RunningTask, TaskHandle};
use quickserve_core::Result;
use quickserve_core::log::LogEntry;
use quickserve_docker::{Output, RunningHandle, RunningInput, TerminalSize};

/// What comes of a command while it runs.
#[derive(Debug)]
pub(crate) enum Said {
    /// What it wrote.
    Output(Output),
    /// What a person should know of its output.
    Caution(String),
}

/// A command that runs.
pub(crate) struct Attended {
    /// What it writes, until it ends.
    pub(crate) output: Pin<Box<dyn Stream<Item = Result<Said>> + Send>>,
    /// What it reads, where it reads anything.
    pub(crate) input: Option<RunningInput>,
    /// Whether it has our terminal for itself.
    pub(crate) has_terminal: bool,
    pub(crate) handle: Arc<dyn Handle>,
}

/// What a session does with a command.
#[derive(Debug)]
pub(crate) enum Running {
    /// Its input and output go through us.
    Attended(Attended),
    /// A program of somebody else's has our terminal meanwhile.
    Lent(tokio::process::Command),
}

/// A handle to a command that runs.
#[async_trait]
pub(crate) trait Handle: Send + Sync {
    /// Whether it can be stopped from outside.
    fn can_stop(&self) -> bool;

    /// Whether it can be killed at once, too.
    fn can_kill(&self) -> bool;

    /// Asks it to end.
    async fn stop(&self) -> Result<()>;

    /// Kills it.
    async fn kill(&self) -> Result<()>;

    /// Tells its terminal its size.
    async fn resize(&self, size: TerminalSize) -> Result<()>;

    /// Waits for its end and answers its exit code.
    async fn exit_code(&self) -> Result<i64>;

    /// Removes what it ran in, where that is ours.
    async fn remove(&self) -> Result<()>;
}

impl std::fmt::Debug for Attended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attended").field("has_terminal", &self.has_terminal).finish_non_exhaustive()
    }
}

impl Attended {
    /// One that runs on local Docker.
    pub(crate) fn local(running: quickserve_docker::Running, has_terminal: bool) -> Self {
        let handle = Arc::new(running.handle());
        let quickserve_docker::Running { output, input, .. } = running;
        Self { output: Box::pin(output.map_ok(Said::Output)), input: Some(input), has_terminal, handle }
    }

    /// One that runs on ECS, and reads nothing. What it writes comes line by line.
    pub(crate) fn cloud(running: RunningTask) -> Self {
        let handle = Arc::new(running.handle());
        let said = running.output.map_ok(|entry| match entry {
            LogEntry::Line(line) => Said::Output(Output::Stdout(format!("{}\n", line.text).into())),
            LogEntry::Unread(why) => Said::Caution(why),
        });
        Self { output: Box::pin(said), input: None, has_terminal: false, handle }
    }
}

#[async_trait]
impl Handle for RunningHandle {
    fn can_stop(&self) -> bool {
        Self::can_stop(self)
    }

    fn can_kill(&self) -> bool {
        Self::can_stop(self)
    }

    async fn stop(&self) -> Result<()> {
        Self::stop(self).await
    }

    async fn kill(&self) -> Result<()> {
        Self::kill(self).await
    }

    async fn resize(&self, size: TerminalSize) -> Result<()> {
        Self::resize(self, size).await
    }

    async fn exit_code(&self) -> Result<i64> {
        Self::exit_code(self).await
    }

    async fn remove(&self) -> Result<()> {
        Self::remove(self).await
    }
}

#[async_trait]
impl Handle for TaskHandle {
    fn can_stop(&self) -> bool {
        true
    }

    /// ECS kills a container when its stop timeout has passed, and not before.
    fn can_kill(&self) -> bool {
        false
    }

    async fn stop(&self) -> Result<()> {
        Self::stop(self).await
    }

    async fn kill(&self) -> Result<()> {
        Self::stop(self).await
    }

    async fn resize(&self, _: TerminalSize) -> Result<()> {
        Ok(())
    }

    async fn exit_code(&self) -> Result<i64> {
        Self::exit_code(self).await
    }

    /// Ends the task: containers of it may run beside one that has ended.
    async fn remove(&self) -> Result<()> {
        Self::stop(self).await
    }
}
