//! A command that runs.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::{ErrorKind, Result};
use tokio::io::AsyncWrite;

use crate::engine::{Attached, Engine, Output, TerminalSize};

/// How often the engine is asked whether a command has ended that writes nothing any more.
const LOOK: Duration = Duration::from_millis(20);

/// What a command writes, until it ends.
pub type RunningOutput = Pin<Box<dyn Stream<Item = Result<Output>> + Send>>;
/// What a command reads. Shut down, the command sees the end of its input.
pub type RunningInput = Pin<Box<dyn AsyncWrite + Send>>;

/// A command that runs.
pub struct Running {
    engine: Engine,
    place: Place,
    /// What it writes, until it ends.
    pub output: RunningOutput,
    /// What it reads.
    pub input: RunningInput,
}

/// Where it runs.
#[derive(Debug, Clone)]
enum Place {
    Exec(String),
    OneOff(String),
}

impl Running {
    pub(super) fn exec(engine: Engine, exec: String, attached: Attached) -> Self {
        Self { engine, place: Place::Exec(exec), output: attached.output, input: attached.input }
    }

    pub(super) fn one_off(engine: Engine, container: String, attached: Attached) -> Self {
        Self { engine, place: Place::OneOff(container), output: attached.output, input: attached.input }
    }

    /// A handle to it, for while its input and output are elsewhere.
    pub fn handle(&self) -> RunningHandle {
        RunningHandle { engine: self.engine.clone(), place: self.place.clone() }
    }
}

/// A handle to a command that runs.
#[derive(Debug, Clone)]
pub struct RunningHandle {
    engine: Engine,
    place: Place,
}

impl RunningHandle {
    /// Tells its terminal its size. Nothing happens where it has none.
    pub async fn resize(&self, size: TerminalSize) -> Result<()> {
        match &self.place {
            Place::Exec(exec) => self.engine.resize_exec(exec, size).await,
            Place::OneOff(container) => self.engine.resize(container, size).await,
        }
    }

    /// Waits for its end and answers its exit code. How long that takes is the command's affair.
    pub async fn exit_code(&self) -> Result<i64> {
        match &self.place {
            Place::OneOff(container) => self.engine.wait(container).await,
            // The engine tells of no end: it is asked.
            Place::Exec(exec) => loop {
                if let Some(code) = self.engine.exec_exit_code(exec).await? {
                    return Ok(code);
                }
                SystemClock.sleep(LOOK).await;
            },
        }
    }

    /// Whether it can be stopped from outside.
    pub fn can_stop(&self) -> bool {
        matches!(self.place, Place::OneOff(_))
    }

    /// Asks a one-off command to end and waits: its stop signal, its stop timeout, SIGKILL. A command in a task
    /// cannot be stopped from outside: the engine has no call for it.
    pub async fn stop(&self) -> Result<()> {
        match &self.place {
            Place::OneOff(container) => self.engine.stop(container).await,
            Place::Exec(_) => Ok(()),
        }
    }

    /// Kills a one-off command.
    pub async fn kill(&self) -> Result<()> {
        match &self.place {
            Place::OneOff(container) => self.engine.kill(container, "SIGKILL").await,
            Place::Exec(_) => Ok(()),
        }
    }

    /// Removes a one-off command, killed where it still runs. One that is gone is a success.
    pub async fn remove(&self) -> Result<()> {
        let Place::OneOff(container) = &self.place else { return Ok(()) };
        self.kill().await?;
        match self.engine.wait(container).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.engine.remove(container).await.map(drop),
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("place", &self.place).finish_non_exhaustive()
    }
}
