//! Child processes, which a signal to the demo reaches in an orderly way.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::failure::{Doing as _, Failure, Result};

/// How long a child may take to end after it was told to: `quickserve` takes its deployment back meanwhile.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long any child may take: none of ours should come near it.
const LIMIT: Duration = Duration::from_secs(80);

/// Starts children and waits for them, or until a signal comes.
#[derive(Debug, Clone)]
pub(crate) struct Children {
    signals: Option<watch::Receiver<u8>>,
}

/// What a child wrote, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Children {
    /// From now on signals are remembered instead of ending the process.
    pub(crate) fn listen() -> Result<Self> {
        let (sender, signals) = watch::channel(0);
        let mut ways = Vec::new();
        for (kind, number) in
            [(SignalKind::interrupt(), 2), (SignalKind::terminate(), 15), (SignalKind::hangup(), 1)]
        {
            ways.push((signal(kind).doing("listen to signals")?, number));
        }
        for (mut way, number) in ways {
            let sender = sender.clone();
            tokio::spawn(async move {
                while way.recv().await.is_some() {
                    let _ = sender.send(number);
                }
            });
        }
        Ok(Self { signals: Some(signals) })
    }

    /// Without an ear for signals: once somebody has listened, they do nothing.
    pub(crate) fn undisturbed() -> Self {
        Self { signals: None }
    }

    /// Waits for a signal.
    async fn signal(&self) -> u8 {
        if let Some(signals) = &self.signals
            && let Ok(number) = signals.clone().wait_for(|number| *number != 0).await
        {
            return *number;
        }
        std::future::pending().await
    }

    /// Waits for something else than a child.
    pub(crate) async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            number = self.signal() => Err(Failure::interrupted(number)),
            done = work => Ok(done),
        }
    }

    /// Runs a child that shares our screen.
    pub(crate) async fn show(&self, command: &mut Command) -> Result<ExitStatus> {
        let child = start(command.stdin(Stdio::null()))?;
        self.wait(child).await
    }

    /// Runs a child quietly.
    pub(crate) async fn output(&self, command: &mut Command, input: &str) -> Result<Output> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = start(command)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // One that does not read says why by its exit code.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let (status, stdout, stderr, ()) = tokio::join!(self.wait(child), read(stdout), read(stderr), feed);
        Ok(Output { status: status?, stdout, stderr })
    }

    async fn wait(&self, mut child: Child) -> Result<ExitStatus> {
        let ended = tokio::select! {
            ended = child.wait() => Some(ended),
            _ = self.signal() => None,
            () = tokio::time::sleep(LIMIT) => None,
        };
        if let Some(ended) = ended {
            return ended.doing("wait for a child");
        }
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, Signal::INT);
        }
        if timeout(PATIENCE, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
        match &self.signals {
            Some(signals) if *signals.borrow() != 0 => Err(Failure::interrupted(*signals.borrow())),
            _ => Err(Failure::new(format!("a command did not end within {} s", LIMIT.as_secs()))),
        }
    }
}

/// A group of its own: an interrupt typed at the terminal reaches the demo, which hands it on.
fn start(command: &mut Command) -> Result<Child> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.process_group(0).spawn().doing(format!("start {name}"))
}

async fn read(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
