//! The parent's child processes: starting a worker, hearing it, and noticing its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::link::{self, Heard, Receiver, Sender};
use super::messages::FromWorker;
use crate::router::protocol::Failure;

/// For a process to end once it has closed its link.
const EXIT: Duration = Duration::from_secs(2);

/// Which worker of a parent's.
pub(super) type Id = u64;

/// What happens to a worker.
#[derive(Debug)]
pub(super) enum Event {
    Said(Id, FromWorker, VecDeque<OwnedFd>),
    /// It has ended: how, and whether as it should.
    Gone(Id, String, bool),
}

/// A worker as its parent sees it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) pid: u32,
    pub(super) version: String,
    pub(super) link: Sender,
    /// What its sudden death would cost.
    pub(super) in_flight: u64,
    /// Why it says that it ends.
    pub(super) failure: Option<Failure>,
    /// Whether it says that it ends as it should: of one that another parent has started, nothing else does.
    pub(super) over: bool,
    /// Ends it at once.
    pub(super) kill: CancellationToken,
}

/// The executable of workers. One that was started once can be started again although its file was replaced
/// or removed meanwhile: what serves does not change because somebody builds or installs.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    args: Vec<String>,
    file: Option<File>,
}

impl Program {
    pub(super) fn new(path: &Path, args: &[String]) -> Self {
        // Scripts are started by their path, which their interpreter reads once more.
        let file = File::open(path).ok().filter(|file| !is_script(file));
        Self { path: path.to_owned(), args: args.to_vec(), file }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn command(&self) -> Command {
        #[cfg(target_os = "linux")]
        if let Some(file) = &self.file {
            use std::os::fd::AsRawFd as _;
            let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
            command.arg0(&self.path);
            return command;
        }
        Command::new(&self.path)
    }

    /// Starts a worker.
    pub(super) fn start(&self, id: Id, events: &mpsc::UnboundedSender<Event>) -> io::Result<Worker> {
        let (ours, theirs) = link::pair()?;
        let mut command = self.command();
        command
            .args(&self.args)
            // A deployment's variables may hold secrets, and this process stays.
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            // An interrupt typed at the parent's terminal is the parent's to pass on.
            .process_group(0);
        let child = command.spawn()?;
        drop(command);
        let (link, receiver) = link::open(ours)?;
        let pid = child.id().unwrap_or_default();
        Ok(Worker::hear(id, events, (pid, String::new()), link, receiver, Some(child)))
    }
}

fn is_script(file: &File) -> bool {
    use std::os::unix::fs::FileExt as _;
    let mut start = [0; 2];
    file.read_exact_at(&mut start, 0).is_ok() && &start == b"#!"
}

impl Worker {
    /// One that another parent has started.
    pub(super) fn adopted(
        id: Id,
        events: &mpsc::UnboundedSender<Event>,
        who: (u32, String),
        link: Sender,
        receiver: Receiver,
    ) -> Self {
        Self::hear(id, events, who, link, receiver, None)
    }

    fn hear(
        id: Id,
        events: &mpsc::UnboundedSender<Event>,
        (pid, version): (u32, String),
        link: Sender,
        mut receiver: Receiver,
        child: Option<Child>,
    ) -> Self {
        let kill = CancellationToken::new();
        let (killed, events) = (kill.clone(), events.clone());
        tokio::spawn(async move {
            let talk = async {
                while let Some(Heard { message, fds }) = receiver.hear().await {
                    let _ = events.send(Event::Said(id, message, fds));
                }
            };
            tokio::select! {
                () = talk => {}
                () = killed.cancelled() => {}
            }
            let (how, clean) = if let Some(child) = child {
                ended(child, &killed).await
            } else {
                if killed.is_cancelled()
                    && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
                {
                    // Its link was open a moment ago, so the number is still its own.
                    let _ = kill_process(pid, Signal::KILL);
                }
                ("another parent's child".to_owned(), false)
            };
            let _ = events.send(Event::Gone(id, how, clean));
        });
        Self { pid, version, link, in_flight: 0, failure: None, over: false, kill }
    }
}

/// Waits for a process that is ending, and ends it if it does not.
async fn ended(mut child: Child, killed: &CancellationToken) -> (String, bool) {
    if !killed.is_cancelled() {
        tokio::select! {
            status = child.wait() => return describe(status),
            () = killed.cancelled() => {}
            () = tokio::time::sleep(EXIT) => {}
        }
    }
    let _ = child.start_kill();
    describe(child.wait().await)
}

fn describe(status: io::Result<ExitStatus>) -> (String, bool) {
    match status {
        Ok(status) => (status.to_string(), status.success()),
        Err(error) => (error.to_string(), false),
    }
}
