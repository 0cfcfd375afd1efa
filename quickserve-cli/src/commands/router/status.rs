//! `router status`.

use std::time::Duration;

use quickserve_core::ErrorKind;
use quickserve_core::latency::Latency;
use quickserve_docker::router::{ServiceStatus, Status};
use serde_json::json;

use super::super::history::table;
use crate::cli::Format;
use crate::compose::{self, for_rule};
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Style, Tone, words};
use crate::settings::Context;

pub(super) async fn show(context: &Context) -> Result<(), Failure> {
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
    let uptime = words::duration(Duration::from_secs(status.uptime));
    let text = format!("running, pid {}, version {}, for {uptime}", status.pid, status.version);
    output::data_line(&style.show(&Line::new("router", text)));
    for line in processes(&status) {
        output::data_line(&style.show(&line));
    }
    let head =
        ["SERVICE", "PUBLIC", "PREVIEW", "SERVING", "REQUESTS", "FAILED", "P50", "P99"].map(str::to_owned);
    let rows: Vec<[String; 8]> = status.services.iter().map(row).collect();
    if !rows.is_empty() {
        for line in table(&head, &rows) {
            output::data_line(&line);
        }
    }
    for service in &status.services {
        for (task, why) in &service.ailing {
            let text = format!("task {task} of {}: {why}", service.service);
            output::data_line(&style.show(&Line::toned("caution", text, Tone::Bad)));
        }
    }
    Ok(())
}

/// The other processes of a router, and what befell them.
fn processes(status: &Status) -> Vec<Line> {
    let mut lines = Vec::new();
    match &status.supervision {
        Some(parent) => {
            lines.push(Line::new("parent", format!("pid {}, version {}", parent.pid, parent.version)));
            if parent.deaths > 0 {
                let deaths = words::count(parent.deaths, "worker");
                let last = parent.last_death.as_deref().unwrap_or("unknown");
                let lost = words::count(parent.lost, "request");
                let text = format!("{deaths} died, with about {lost} in flight; the last: {last}");
                lines.push(Line::toned("caution", text, Tone::Bad));
            }
        }
        None if status.worker => {
            let text = "nobody supervises the router: its parent is gone; quickserve router upgrade mends it";
            lines.push(Line::toned("caution", text, Tone::Bad));
        }
        None => {}
    }
    for follower in &status.followers {
        let connections = words::count(follower.connections as u64, "connection");
        let text = format!("pid {}, version {}, finishes {connections}", follower.pid, follower.version);
        lines.push(Line::new("drain", text));
    }
    lines
}

fn row(service: &ServiceStatus) -> [String; 8] {
    let at = |address: Option<String>| address.unwrap_or_else(|| "-".to_owned());
    let public = match (&service.trouble, service.listening) {
        (Some(trouble), _) => format!("closed: {trouble}"),
        (None, listening) => {
            let rule = for_rule(&service.rule());
            at(listening.map(|at| format!("{}{rule}", at.public)))
        }
    };
    let preview = at(service.listening.and_then(|at| at.preview).map(|address| address.to_string()));
    let sum: u32 = service.split.serving().map(|(_, weight)| weight).sum();
    let serving = service
        .split
        .serving()
        .map(|(release, weight)| format!("{release:#} {} %", weight * 100 / sum.max(1)))
        .collect::<Vec<_>>()
        .join(", ");
    let mut latency = Latency::default();
    for (release, _) in service.split.serving() {
        latency += service.counters.get(release).map(|counters| counters.latency).unwrap_or_default();
    }
    let quantile = |part| latency.quantile(part).map_or_else(|| "-".to_owned(), milliseconds);
    let requests: u64 = service.counters.values().map(|counters| counters.requests).sum();
    let failed: u64 = service.counters.values().map(|one| one.server_errors + one.unanswered).sum();
    [
        service.service.to_string(),
        public,
        preview,
        if serving.is_empty() { "-".to_owned() } else { serving },
        requests.to_string(),
        failed.to_string(),
        quantile(0.5),
        quantile(0.99),
    ]
}

fn milliseconds(wait: Duration) -> String {
    format!("{:.1} ms", wait.as_secs_f64() * 1e3)
}
