//! `router status`.

use std::time::Duration;

use quickserve_core::ErrorKind;
use quickserve_core::latency::Latency;
use quickserve_docker::router::{ServiceStatus, Status};
use serde_json::json;

use super::super::table::table;
use super::upgrade::left;
use crate::cli::Format;
use crate::compose::{self, for_rule};
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Tone, words};
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
    let Some(status) = status else {
        let text = format!("not running ({})", context.shown(control.dir()));
        let mut lines = vec![Line::new("router", text)];
        let left = left(&control);
        if !left.is_empty() {
            let text = format!("nobody answers for {}", left.join(", "));
            lines.push(Line::toned("caution", text, Tone::Bad));
            let each = if left.len() > 1 { ", for each of them" } else { "" };
            lines.push(Line::new("next", format!("quickserve resume{each}")));
        }
        super::super::show(context, &lines);
        return Ok(());
    };
    let uptime = words::duration(Duration::from_secs(status.uptime));
    let text = format!("running, pid {}, version {}, for {uptime}", status.pid, status.version);
    let mut lines = vec![Line::new("router", text)];
    lines.extend(processes(&status));
    super::super::show(context, &lines);
    let head =
        ["SERVICE", "PUBLIC", "PREVIEW", "SERVING", "REQUESTS", "FAILED", "P50", "P99"].map(str::to_owned);
    let rows: Vec<[String; 8]> = status.services.iter().map(row).collect();
    let lines = table(&head, &rows);
    let fits = |width| lines.iter().all(|line| line.chars().count() <= width);
    if context.terminal.width.is_none_or(fits) {
        for line in lines.iter().filter(|_| !rows.is_empty()) {
            output::data_line(line);
        }
    } else {
        super::super::show(context, &rows.iter().flat_map(stacked).collect::<Vec<_>>());
    }
    let ailing = status.services.iter().flat_map(|service| {
        let text = |(task, why)| format!("task {task} of {}: {why}", service.service);
        service.ailing.iter().map(move |ailing| Line::toned("caution", text(ailing), Tone::Bad))
    });
    super::super::show(context, &ailing.collect::<Vec<_>>());
    Ok(())
}

/// A row of the table as lines of its own, where the terminal is too narrow for the table.
fn stacked(row: &[String; 8]) -> Vec<Line> {
    let [service, public, preview, serving, requests, failed, p50, p99] = row;
    vec![
        Line::new("service", service),
        Line::new("public", public),
        Line::new("preview", preview),
        Line::new("serving", serving),
        Line::new("requests", format!("{requests}, {failed} failed; p50 {p50}, p99 {p99}")),
    ]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Style;

    #[test]
    fn what_is_too_wide_for_a_terminal_stands_in_lines_of_its_own() {
        let row = ["shop/local", "127.0.0.1:8080 for shop.test", "127.0.0.1:41000", "r-9ae4aa 100 %"];
        let row = [&row[..], &["1204", "3", "1.2 ms", "8.4 ms"]].concat();
        let row: [String; 8] = std::array::from_fn(|column| row[column].to_owned());
        let style = Style::PLAIN;
        let lines: Vec<String> = stacked(&row).iter().map(|line| style.within(Some(80)).show(line)).collect();
        assert!(row.iter().all(|cell| lines.iter().any(|line| line.contains(cell.as_str()))), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
        assert_eq!(lines[4], "requests 1204, 3 failed; p50 1.2 ms, p99 8.4 ms");
    }
}
