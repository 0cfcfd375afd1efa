//! Running commands: in a container that runs, and with a container's own input and output.

use std::fmt;
use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use quickserve_core::{Error, ErrorKind, Result};
use tokio::io::AsyncWrite;

use super::{Engine, fault};

/// What a command writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To standard output, or to its terminal.
    Stdout(Vec<u8>),
    /// To standard error.
    Stderr(Vec<u8>),
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// How many lines.
    pub rows: u16,
    /// How many characters a line.
    pub columns: u16,
}

/// What a command reads and writes.
pub(crate) struct Attached {
    /// Ends with the command.
    pub(crate) output: Pin<Box<dyn Stream<Item = Result<Output>> + Send>>,
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached")
    }
}

impl Engine {
    /// Prepares a command in a running container and answers the id by which it is started.
    pub(crate) async fn create_exec(
        &self,
        container: &str,
        command: &[String],
        terminal: bool,
        input: bool,
    ) -> Result<String> {
        let options = CreateExecOptions {
            attach_stdin: Some(input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal),
            cmd: Some(command.to_vec()),
            ..Default::default()
        };
        let created = self.docker.create_exec(container, options).await;
        let what = format!("run a command in container {container}");
        created.map(|created| created.id).map_err(|error| fault::to_core(what, error))
    }

    /// Starts a prepared command.
    pub(crate) async fn start_exec(&self, exec: &str, terminal: bool) -> Result<Attached> {
        let options = StartExecOptions { detach: false, tty: terminal, output_capacity: None };
        match self.docker.start_exec(exec, Some(options)).await {
            Ok(StartExecResults::Attached { output, input }) => {
                Ok(Attached { output: outputs(output), input })
            }
            Ok(StartExecResults::Detached) => {
                Err(Error::new(ErrorKind::Unexpected, "the engine detached from a command that it started"))
            }
            Err(error) => Err(fault::to_core("start a command", error)),
        }
    }

    /// The exit code of a command in a container; nothing while it runs.
    pub(crate) async fn exec_exit_code(&self, exec: &str) -> Result<Option<i64>> {
        let seen = self.docker.inspect_exec(exec).await;
        let seen = seen.map_err(|error| fault::to_core("ask how a command ended", error))?;
        Ok(seen.exit_code.filter(|_| seen.running != Some(true)))
    }

    /// Tells a command's terminal its size. One that has ended needs none.
    pub(crate) async fn resize_exec(&self, exec: &str, size: TerminalSize) -> Result<()> {
        let options = ResizeExecOptions { height: size.rows, width: size.columns };
        gone_is_fine(self.docker.resize_exec(exec, options).await)
    }

    /// Attaches to a container's own input and output, best before it is started.
    pub(crate) async fn attach(&self, container: &str) -> Result<Attached> {
        let options =
            AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true);
        let attached = self.docker.attach_container(container, Some(options.build())).await;
        let attached =
            attached.map_err(|error| fault::to_core(format!("attach to container {container}"), error))?;
        Ok(Attached { output: outputs(attached.output), input: attached.input })
    }

    /// Waits until a container has ended and answers its exit code.
    pub(crate) async fn wait(&self, container: &str) -> Result<i64> {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let mut waited = std::pin::pin!(self.docker.wait_container(container, Some(options)));
        match waited.next().await {
            Some(Ok(ended)) => Ok(ended.status_code),
            // The client library takes a code that is not 0 for a failure of the call.
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(fault::to_core(format!("wait for container {container}"), error)),
            None => Err(Error::new(ErrorKind::Unavailable, format!("wait for container {container}"))),
        }
    }

    /// Tells a container's terminal its size. One that has ended needs none.
    pub(crate) async fn resize(&self, container: &str, size: TerminalSize) -> Result<()> {
        let options = ResizeContainerTTYOptionsBuilder::default().h(size.rows.into()).w(size.columns.into());
        gone_is_fine(self.docker.resize_container_tty(container, options.build()).await)
    }
}

fn gone_is_fine(answer: std::result::Result<(), bollard::errors::Error>) -> Result<()> {
    match answer {
        Ok(()) => Ok(()),
        // Not started yet, or ended already.
        Err(error) if matches!(fault::answer(&error), Some((404 | 409 | 500, _))) => Ok(()),
        Err(error) => Err(fault::to_core("resize a terminal", error)),
    }
}

fn outputs(
    frames: Pin<Box<dyn Stream<Item = std::result::Result<LogOutput, bollard::errors::Error>> + Send>>,
) -> Pin<Box<dyn Stream<Item = Result<Output>> + Send>> {
    let outputs = frames.map_ok(|frame| match frame {
        LogOutput::StdErr { message } => Output::Stderr(message.to_vec()),
        LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => {
            Output::Stdout(message.to_vec())
        }
    });
    Box::pin(outputs.map_err(|error| fault::to_core("read what a command writes", error)))
}
