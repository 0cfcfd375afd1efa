//! `deploy --detach`: the same command, in the background, owns the deployment.
//!
//! The journal is what connects the two: the one that returns waits there for the deployment that the other opens.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use quickserve_core::clock::{Clock as _, SystemClock, after};
use quickserve_core::event::Finished;
use quickserve_core::journal::{Cause, Journal, OpenDeployment, Owner};
use quickserve_core::outcome::Outcome;
use quickserve_core::{Error, ErrorKind};
use rustix::process::{Pid, Signal, kill_process, setsid};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{self, Format};
use crate::compose::{self, Access};
use crate::failure::Failure;
use crate::output;
use crate::render::{Act, Ending, Reporter, words};
use crate::settings::Context;
use crate::target::Target;

const POLL: Duration = Duration::from_millis(50);

/// For the checks, beside what is waited for one's turn.
const PATIENCE: Duration = Duration::from_mins(5);

/// Makes this process a session of its own: it has no terminal, and none that closes ends it.
pub(super) fn leave_terminal() {
    // Refused only to the leader of a process group, which has been made so on purpose.
    let _ = setsid();
}

pub(super) async fn run(context: &Context, arguments: &cli::Deploy, reporter: Reporter) -> u8 {
    let begun = async {
        let (target, _) = Target::read(context)?;
        let journal = compose::journal(context, &target, Access::Write).await?;
        let mut background = Background::start(context, &target)?;
        let opened = background.opened(journal, arguments.patience(&target.settings.deploy)).await?;
        Ok::<_, Failure>((background, opened))
    };
    match begun.await {
        Ok((background, Begun::Opened(open))) => {
            let (pid, log) = (background.child.id(), background.path.display());
            let deployment = open.opened.deployment;
            let detail = format!("{deployment} goes on in the background (pid {pid}); it writes {log}");
            let finished = Finished {
                deployment: Some(deployment),
                release: open.opened.goal.release().cloned(),
                ..Finished::new(Outcome::Detached)
            };
            reporter.end(Ending { detail: Some(detail), ..Ending::of(Act::Deploy, finished) })
        }
        Ok((mut background, Begun::Ended(status))) => {
            // What it has said is all there is to say, its last event included.
            let said = background.said();
            match context.format {
                Format::Json => drop(output::data(&said)),
                // It is told now: the log alone needs its times.
                Format::Human | Format::Github | Format::Sarif => output::tell(&words::untimed(&said)),
            }
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(Outcome::InternalError.exit_code())
        }
        Err(failure) => reporter.fail_at(Act::Deploy, failure),
    }
}

/// The command in the background, and its log.
struct Background {
    child: Child,
    /// The name that it has as an owner: nothing else tells it where processes cannot be looked at.
    nonce: String,
    log: File,
    path: PathBuf,
    /// Where its part of the log begins.
    from: u64,
}

/// What is known once there is something to return.
enum Begun {
    Opened(Box<OpenDeployment>),
    Ended(ExitStatus),
}

impl Background {
    fn start(context: &Context, target: &Target) -> Result<Self, Failure> {
        let failed = |what: &'static str| {
            move |error: std::io::Error| Error::new(ErrorKind::Unavailable, what).with_source(error)
        };
        let folder = context.state_dir.join("logs");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(failed("create the folder for logs"))?;
        let path = folder.join(format!("{}.{}.log", target.key.service(), target.key.environment()));
        let log = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&path);
        let mut log = log.map_err(failed("open the log of a background deployment"))?;
        let from = log.seek(SeekFrom::End(0)).map_err(failed("open the log of a background deployment"))?;
        let handle = || log.try_clone().map_err(failed("open the log of a background deployment"));
        let nonce = compose::nonce()?;
        let arguments = context.arguments.iter().skip(1).map(|argument| match argument.to_str() {
            Some("--detach") => format!("--background={nonce}").into(),
            _ => argument.clone(),
        });
        let child = Command::new(&context.executable)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(handle()?)
            .stderr(handle()?)
            .spawn()
            .map_err(failed("start the command in the background"))?;
        Ok(Self { child, nonce, log, path, from })
    }

    /// Waits until the deployment is opened, or refused.
    async fn opened(&mut self, mut journal: Journal, turn: Duration) -> Result<Begun, Failure> {
        let until = after(SystemClock.now(), turn.saturating_add(PATIENCE));
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Unexpected, "wait for the command in the background").with_source(error)
        };
        let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
        loop {
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                return Ok(Begun::Ended(status));
            }
            // A journal that cannot be read for a moment is read the next time.
            drop(journal.refresh().await);
            if let Some(open) =
                journal.state().open.as_ref().filter(|open| has_opened(&open.opened.owner, &self.nonce))
            {
                return Ok(Begun::Opened(Box::new(open.clone())));
            }
            if SystemClock.now() >= until {
                let message =
                    format!("it has not begun yet, and goes on in the background (pid {})", self.child.id());
                let cause =
                    Cause { hint: Some(format!("see {}", self.path.display())), ..Cause::new(message) };
                return Err(Failure::new(Outcome::TimedOut, cause));
            }
            tokio::select! {
                () = SystemClock.sleep(POLL) => {}
                // Whoever interrupts this command means the deployment; its own end tells the rest.
                _ = interrupts.recv() => self.pass_on(Signal::INT),
                _ = terminations.recv() => self.pass_on(Signal::TERM),
            }
        }
    }

    fn pass_on(&self, signal: Signal) {
        // One that has ended needs none.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    fn said(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = self.log.seek(SeekFrom::Start(self.from)).and_then(|_| self.log.read_to_end(&mut bytes));
        drop(read);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Whether an owner is the one of this name.
fn has_opened(owner: &Owner, nonce: &str) -> bool {
    owner.nonce == nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_known_by_its_name_where_processes_cannot_be_looked_at() {
        let owner = |nonce: &str| Owner { nonce: nonce.into(), who: "ada@mac".into(), process: None };
        assert!(has_opened(&owner("one"), "one"));
        assert!(!has_opened(&owner("another"), "one"));
    }
}
