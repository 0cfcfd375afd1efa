//! `router`: the local router's own commands.

use quickserve_core::ErrorKind;
use quickserve_docker::router::{RouterSettings, ServiceStatus};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::history::table;
use crate::cli::{Format, Router};
use crate::compose;
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Style};
use crate::settings::Context;

pub(super) async fn run(context: &Context, command: Router) -> Result<(), Failure> {
    match command {
        Router::Run => serve(context.state_dir.join("router")).await,
        Router::Status => status(context).await,
        Router::Stop { force } => stop(context, force).await,
    }
}

/// Serves until a signal comes or somebody stops it.
async fn serve(dir: std::path::PathBuf) -> Result<(), Failure> {
    // Its stderr is its log.
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
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
    Ok(quickserve_docker::router::run(RouterSettings::new(dir), ended).await?)
}

async fn status(context: &Context) -> Result<(), Failure> {
    let control = compose::router(context);
    let status = match control.status().await {
        Ok(status) => Some(status),
        Err(error) if error.kind() == ErrorKind::Unavailable => None,
        Err(error) => return Err(error.into()),
    };
    if context.format == Format::Json {
        output::data_line(&json!({ "running": status.is_some(), "status": status }).to_string());
        return Ok(());
    }
    let style = Style { colour: context.terminal.colour_data };
    let Some(status) = status else {
        let text = format!("not running ({})", context.shown(control.dir()));
        output::data_line(&style.show(&Line::new("router", text)));
        return Ok(());
    };
    let uptime = crate::render::words::duration(std::time::Duration::from_secs(status.uptime));
    let text = format!("running, pid {}, version {}, for {uptime}", status.pid, status.version);
    output::data_line(&style.show(&Line::new("router", text)));
    let head = ["SERVICE", "PUBLIC", "PREVIEW", "SERVING", "REQUESTS", "FAILED"].map(str::to_owned);
    let rows: Vec<[String; 6]> = status.services.iter().map(row).collect();
    if !rows.is_empty() {
        for line in table(&head, &rows) {
            output::data_line(&line);
        }
    }
    Ok(())
}

fn row(service: &ServiceStatus) -> [String; 6] {
    let at = |address: Option<String>| address.unwrap_or_else(|| "-".to_owned());
    let public = match (&service.trouble, service.listening) {
        (Some(trouble), _) => format!("closed: {trouble}"),
        (None, listening) => at(listening.map(|at| at.public.to_string())),
    };
    let preview = at(service.listening.and_then(|at| at.preview).map(|address| address.to_string()));
    let sum: u32 = service.split.serving().map(|(_, weight)| weight).sum();
    let serving = service
        .split
        .serving()
        .map(|(release, weight)| format!("{release:#} {} %", weight * 100 / sum.max(1)))
        .collect::<Vec<_>>()
        .join(", ");
    let requests: u64 = service.counters.values().map(|counters| counters.requests).sum();
    let failed: u64 = service.counters.values().map(|one| one.server_errors + one.unanswered).sum();
    [
        service.service.to_string(),
        public,
        preview,
        if serving.is_empty() { "-".to_owned() } else { serving },
        requests.to_string(),
        failed.to_string(),
    ]
}

async fn stop(context: &Context, force: bool) -> Result<(), Failure> {
    match compose::router(context).shutdown(force).await {
        Ok(()) => {
            output::tell("router   stopped");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            output::tell("router   was not running");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
