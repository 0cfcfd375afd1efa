//! A program that is run to its end, and what it took.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4 as _;

use crate::Result;

/// What a program printed and took, with the programs that it ran.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// The most memory that one of its processes had resident, in bytes: what they took together is not known.
    pub(crate) peak: u64,
}

/// The medians of several runs, in milliseconds and megabytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Typical {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    pub(crate) peak: f64,
}

/// Runs a program that may end with any of these codes.
pub(crate) fn run(command: &mut Command, codes: &[i32]) -> Result<Ran> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let began = now();
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", shown(command)))?;
    let mut output = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut output)?;
    }
    let used = child.wait4()?;
    let wall = began.elapsed();
    if !used.status.code().is_some_and(|code| codes.contains(&code)) {
        return Err(format!("{} ended with {}", shown(command), used.status).into());
    }
    Ok(Ran { output, wall, cpu: used.rusage.utime + used.rusage.stime, peak: used.rusage.maxrss })
}

impl Typical {
    pub(crate) fn of(runs: &[Ran]) -> Self {
        Self {
            wall: median(runs.iter().map(|ran| ran.wall.as_secs_f64() * 1e3)),
            cpu: median(runs.iter().map(|ran| ran.cpu.as_secs_f64() * 1e3)),
            peak: median(runs.iter().map(|ran| megabytes(ran.peak))),
        }
    }

    /// A line of the table that [`head`] begins.
    pub(crate) fn line(&self, name: &str) -> String {
        format!("{name:<40}{:>11.0}{:>11.0}{:>11.0}", self.wall, self.cpu, self.peak)
    }
}

/// The head of the table.
pub(crate) fn head(name: &str) -> String {
    format!("{name:<40}{:>11}{:>11}{:>11}", "wall ms", "CPU ms", "peak MB")
}

/// How busy the machine is.
pub(crate) fn busy() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = load.split(' ').take(3).collect();
    format!("load average {}", averages.join(" "))
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    // In thousands first: what is left is small enough to be exact.
    f64::from(u32::try_from(bytes / 1000).unwrap_or(u32::MAX)) / 1000.0
}

fn shown(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
fn now() -> Instant {
    Instant::now()
}

/// The one in the middle, the upper one of two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
