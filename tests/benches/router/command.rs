//! The command itself: how soon it answers, and how large it is.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::machine::{busy, median, now};
use crate::verdict::Verdict;
use crate::wrk::count;
use crate::{Result, say};

const RUNS: usize = 31;
const MOST_MS: f64 = 10.0;
const MOST_MB: f64 = 30.0;

pub(crate) fn measure(quickserve: &Path, verdict: &mut Verdict) -> Result<()> {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let began = now();
        let mut command = Command::new(quickserve);
        let status = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        runs.push(began.elapsed().as_secs_f64() * 1e3);
        if !status.success() {
            return Err(format!("quickserve --version ended with {status}").into());
        }
    }
    let (size, router) = (size(quickserve)?, size(&quickserve.with_file_name("quickserve-router"))?);
    let took = median(runs);
    say(&format!(
        "the command: --version in {took:.1} ms, {size:.1} MB, and {router:.1} MB of the router's own; {}",
        busy()
    ));
    verdict.at_most("quickserve --version, start to end", took, MOST_MS, "ms");
    verdict.at_most("size of the executable", size, MOST_MB, "MB");
    Ok(())
}

/// The size of an executable, in MB.
fn size(executable: &Path) -> Result<f64> {
    Ok(count(fs::metadata(executable)?.len() / 1000) / 1000.0)
}
