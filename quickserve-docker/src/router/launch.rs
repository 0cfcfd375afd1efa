//! Finding the router of a folder, or starting it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use quickserve_core::{Error, ErrorKind, Result};
use tokio::process::Command;
use tokio::time::Instant;

use super::client::RouterControl;
use super::folder::Folder;
use super::protocol::Status;

const POLL: Duration = Duration::from_millis(5);

/// For another caller's router to answer, after ours has ended because of it.
const YIELDED: Duration = Duration::from_secs(2);

/// How to start a router.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Launch {
    /// The folder in which it shall run.
    pub dir: PathBuf,
    /// The command that runs it until it is told to end, such as this executable.
    pub exe: PathBuf,
    /// Its arguments. It is started in its own folder and without any environment variable, so they must say
    /// everything: paths whole, and no secret.
    pub args: Vec<String>,
    /// How long it may take until it answers.
    pub patience: Duration,
}

impl Launch {
    /// To start the router of this folder with a command; it may take 10 s.
    pub fn new(
        dir: impl Into<PathBuf>,
        exe: impl Into<PathBuf>,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { dir: dir.into(), exe: exe.into(), args, patience: Duration::from_secs(10) }
    }
}

/// The router of a folder: the one that runs, or else one that is started now and outlives the caller. One that
/// has lost its parent gets what is started as its parent.
///
/// Callers that do this at the same time end with the same router: the folder's lock lets one live.
///
/// # Errors
/// [`ErrorKind::Unavailable`] when it does not answer in time, with the end of its log.
pub async fn ensure_running(launch: &Launch) -> Result<RouterControl> {
    let control = RouterControl::new(&launch.dir);
    match control.status().await {
        Ok(status) if is_whole(&status) => return Ok(control),
        // One that speaks another version runs all the same: the caller decides.
        Err(error) if error.kind() != ErrorKind::Unavailable => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let folder = Folder::new(&launch.dir);
    folder.make()?;
    // It is started in its folder, where names that are relative here would mean something else.
    let exe = std::path::absolute(&launch.exe).unwrap_or_else(|_| launch.exe.clone());
    let failed = |what: &str, error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, what)
            .with_context("command", launch.exe.display().to_string())
            .with_source(error)
    };
    let known = folder.log_length();
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(folder.log());
    let log = log.map_err(|error| failed("open the router's log", error))?;
    let mut child = Command::new(exe)
        .args(&launch.args)
        // A deployment's variables may hold secrets, and this process stays.
        .env_clear()
        .current_dir(&launch.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // An interrupt typed at the caller's terminal is not meant for it.
        .process_group(0)
        .spawn()
        .map_err(|error| failed("start the router", error))?;

    let deadline = Instant::now() + launch.patience;
    let mut exited: Option<(std::process::ExitStatus, Instant)> = None;
    loop {
        if control.status().await.is_ok_and(|status| is_whole(&status)) {
            return Ok(control);
        }
        if exited.is_none() {
            let status = child.try_wait().map_err(|error| failed("wait for the router", error))?;
            exited = status.map(|status| (status, Instant::now()));
        }
        // One that has ended may have found another caller's still on its way.
        let hopeless = exited.is_some_and(|(_, when)| when.elapsed() >= YIELDED);
        if hopeless || Instant::now() >= deadline {
            let message = match exited {
                Some((status, _)) => format!("the router ended at once ({status})"),
                None => format!("the router did not answer within {} s", launch.patience.as_secs()),
            };
            return Err(Error::new(ErrorKind::Unavailable, message)
                .with_context(
                    "log",
                    folder.last_words(known).unwrap_or_else(|| "nothing was added to it".to_owned()),
                )
                .with_hint(format!("see {}", folder.log().display())));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether nothing is missing of a router: a worker has a parent.
fn is_whole(status: &Status) -> bool {
    !status.worker || status.supervision.is_some()
}
