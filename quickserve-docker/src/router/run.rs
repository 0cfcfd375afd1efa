//! The router's life: from its folder's lock to the last request.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quickserve_core::Result;

use super::access_log::AccessLog;
use super::control;
use super::door::Doors;
use super::folder::Folder;
use super::hub::Hub;

/// How a router runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RouterSettings {
    /// Its folder: the control socket, the durable state, the lock.
    pub dir: PathBuf,
    /// How long requests in flight may take to end when the router ends.
    pub grace: Duration,
}

impl RouterSettings {
    /// The router of this folder, with 10 s of grace.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), grace: Duration::from_secs(10) }
    }
}

/// Runs the router of a folder, all in this process, until `shutdown` completes or a caller asks it to end.
///
/// It brings back every service that the folder knows before it answers its first call. Then it ends
/// gracefully: no new connections, requests in flight finish within the grace, what is left is cut. Dropped
/// instead, it ends as if it had been killed, and nothing that was answered is lost.
///
/// [`supervise`](super::supervise) runs it as two processes, of which one replaces the other.
///
/// # Errors
/// [`ErrorKind::Busy`](quickserve_core::ErrorKind::Busy) when another router runs in the folder,
/// [`ErrorKind::Invalid`](quickserve_core::ErrorKind::Invalid) when its state is damaged,
/// [`ErrorKind::PermissionDenied`](quickserve_core::ErrorKind::PermissionDenied) when others may write to it.
pub async fn run(settings: RouterSettings, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
    let folder = Folder::new(&settings.dir);
    folder.make()?;
    let _lock = folder.lock()?;
    let doors = Doors::new(AccessLog::new(&folder));
    let _doors_guard = doors.guard();
    let hub = Arc::new(Hub::restore(folder.clone(), doors.clone(), Arc::default(), Arc::default(), None)?);
    let all_open = hub.open_doors().await;
    let listener = folder.listen()?;
    tracing::info!(dir = %settings.dir.display(), pid = std::process::id(), "the router runs");

    tokio::select! {
        () = control::serve(listener, Arc::clone(&hub)) => {}
        () = hub.keep_opening(all_open) => {}
        () = shutdown => {}
        () = hub.asked_to_end.cancelled() => {}
    }

    tracing::info!("the router ends");
    folder.unlisten();
    hub.hand_over().await;
    doors.close(settings.grace).await;
    hub.save_counters().await
}
