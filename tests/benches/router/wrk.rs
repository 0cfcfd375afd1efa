//! A run of wrk.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::Result;
use crate::machine::{Machine, program};

/// What wrk runs in the end: its own output is rounded, and for people.
const REPORT: &str = "done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('figures %d %d %d %d %d\\n', summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
";

/// What it saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) duration: Duration,
    pub(crate) failed: u64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Seen {
    pub(crate) fn rate(&self) -> f64 {
        count(self.requests) / self.duration.as_secs_f64()
    }
}

/// Asks for the same again and again over so many connections.
pub(crate) fn wrk(
    machine: &Machine,
    folder: &Path,
    address: SocketAddr,
    connections: u32,
    duration: Duration,
) -> Result<Seen> {
    let script = folder.join("report.lua");
    fs::write(&script, REPORT)?;
    let mut command = machine.on_load_cores(&program("wrk")?);
    // wrk counts in whole seconds, and ends by itself.
    let seconds = duration.as_secs().max(1);
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"]).arg(&script);
    let output = command.arg(format!("http://{address}/")).stdout(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = text.lines().find_map(|line| line.strip_prefix("figures "));
    let figures: Vec<u64> =
        figures.unwrap_or_default().split(' ').filter_map(|one| one.parse().ok()).collect();
    let [requests, duration, failed, p50, p99] = figures[..] else {
        return Err(format!("wrk said {text}{}", String::from_utf8_lossy(&output.stderr)).into());
    };
    if requests == 0 {
        return Err("wrk was answered nothing".into());
    }
    let micros = Duration::from_micros;
    Ok(Seen { requests, duration: micros(duration), failed, p50: micros(p50), p99: micros(p99) })
}

/// A count as a number to divide by.
pub(crate) fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
