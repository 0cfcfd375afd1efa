//! `router run` and `router stop`.

use std::os::fd::AsFd as _;

use quickserve_core::{Error, ErrorKind};
use quickserve_docker::keeper;
use quickserve_docker::router::{RouterControl, RouterSettings, Supervisor};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::compose;
use crate::failure::Failure;
use crate::output;
use crate::settings::Context;

/// Supervises a router until a signal comes or somebody stops it, and keeps promoted tasks whole meanwhile.
pub(super) async fn supervise(context: &Context, docker_host: Option<String>) -> Result<(), Failure> {
    log();
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
    let settings = RouterSettings::new(context.state_dir.join("router"));
    let supervisor = Supervisor::new(settings, &context.executable, compose::worker_arguments(context));
    // A task of its own: should it panic, the router goes on.
    let beside = LocalSet::new();
    beside.spawn_local(keep(compose::router(context), docker_host.or(context.docker_host.clone())));
    Ok(beside.run_until(quickserve_docker::router::supervise(supervisor, ended)).await?)
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
    keeper::keep(engine.as_deref(), compose::clock(), services).await;
}

/// Serves behind the parent that has started this process.
pub(super) async fn work() -> Result<(), Failure> {
    log();
    let link = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| {
        Error::new(ErrorKind::Unavailable, "speak to the router's parent").with_source(error)
    })?;
    Ok(quickserve_docker::router::work(link).await?)
}

pub(super) async fn stop(context: &Context, force: bool) -> Result<(), Failure> {
    match compose::router(context).shutdown(force).await {
        Ok(()) => {
            output::tell("router   stopped");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            output::tell("router   was not running");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Busy => {
            let hint = "take its services down first: quickserve down; or end it all the same, so that nobody answers \
                        on their ports: quickserve router stop --force";
            Err(error.with_hint(hint).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A router's stderr is its log.
fn log() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
}
