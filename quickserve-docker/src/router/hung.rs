//! Ending a router whose worker does not answer any more: its parent, which does, is asked by a signal.

use std::path::Path;
use std::time::Duration;

use quickserve_core::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::folder::Folder;

/// For a parent to give its worker the grace, to kill it, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the lock is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Ends the router of a folder by its parent; returns when it is gone.
///
/// # Errors
/// [`ErrorKind::Unavailable`] when no parent is found to ask; [`ErrorKind::TimedOut`] when it does not end, either.
pub(super) async fn end(folder: &Folder) -> Result<()> {
    let Some(parent) = parent(folder) else {
        let message = format!(
            "the router in {} does not answer, and no parent of it is found",
            folder.path().display()
        );
        let hint = "end its processes by hand: their command lines end with `router worker`";
        return Err(Error::new(ErrorKind::Unavailable, message).with_hint(hint));
    };
    let pid = parent.as_raw_nonzero();
    tracing::warn!(%pid, "the router does not answer; its parent is asked to end it");
    kill_process(parent, Signal::TERM).map_err(|error| {
        let message = format!("ask the router's parent (pid {pid}) to end");
        Error::new(ErrorKind::Unavailable, message).with_source(std::io::Error::from(error))
    })?;
    let deadline = Instant::now() + PATIENCE;
    while folder.is_locked() {
        if Instant::now() >= deadline {
            let message =
                format!("the router's parent (pid {pid}) did not end within {} s", PATIENCE.as_secs());
            return Err(Error::new(ErrorKind::TimedOut, message).with_hint(format!("kill -9 {pid} ends it")));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// The process that the lock names, if it is one that has the lock open: another may have got its number meanwhile.
fn parent(folder: &Folder) -> Option<Pid> {
    let pid: i32 = std::fs::read_to_string(folder.lock_path()).ok()?.trim().parse().ok()?;
    let lock = folder.lock_path().canonicalize().ok()?;
    let open = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).ok()?;
    let has_it = open.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == lock));
    Pid::from_raw(pid).filter(|_| has_it)
}
