//! What the router's processes do.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;

use quickserve_core::clock::SystemClock;
use quickserve_core::{Error, ErrorKind, Result};
use quickserve_docker::keeper;
use quickserve_docker::router::{RouterControl, RouterSettings, Supervisor};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use super::worker_arguments;

/// Supervises a router until a signal comes or somebody stops it, and keeps promoted tasks whole meanwhile. Its workers
/// are run by this executable.
pub(crate) async fn supervise(
    state_dir: &Path,
    docker_host: Option<String>,
    executable: &Path,
) -> Result<()> {
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate()].into_iter().flat_map(signal);
    let ended = async {
        let (interrupt, terminate) = (signals.next(), signals.next());
        match (interrupt, terminate) {
            (Some(mut interrupt), Some(mut terminate)) => {
                tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            }
            // Without handlers a signal ends the process as it is.
            _ => std::future::pending().await,
        }
    };
    let dir = state_dir.join("router");
    let supervisor = Supervisor::new(RouterSettings::new(&dir), executable, worker_arguments(state_dir));
    // A task of its own: should it panic, the router goes on.
    let beside = LocalSet::new();
    beside.spawn_local(keep(RouterControl::new(dir), docker_host));
    beside.run_until(quickserve_docker::router::supervise(supervisor, ended)).await
}

/// Keeps the promoted tasks of the router's services whole. Only the parent does, which there is one of.
async fn keep(control: RouterControl, engine: Option<String>) {
    let services = async || {
        let status = control.status().await;
        status
            .map(|status| status.services.into_iter().map(|service| service.service).collect())
            // Not up yet, or on its way out.
            .unwrap_or_default()
    };
    keeper::keep(engine.as_deref(), Arc::new(SystemClock), services).await;
}

/// Serves behind the parent that has started this process.
pub(crate) async fn work() -> Result<()> {
    let link = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| {
        Error::new(ErrorKind::Unavailable, "speak to the router's parent").with_source(error)
    })?;
    quickserve_docker::router::work(link).await
}

/// A router's stderr is its log.
pub(crate) fn log() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
}
