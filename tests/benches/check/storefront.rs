//! `check` over the example service, as a developer runs it before every deployment.

use std::path::Path;
use std::process::Command;

use crate::process::{Typical, busy, head, run};
use crate::verdict::Verdict;
use crate::{Result, say};

const MOST_MS: f64 = 150.0;

/// Runs a round, since one takes little.
const RUNS: usize = 3;

pub(crate) fn measure(quickserve: &Path, folder: &Path, rounds: usize, verdict: &mut Verdict) -> Result<()> {
    let state = tempfile::Builder::new().prefix("quickserve-bench-").tempdir()?;
    let mut command = Command::new(quickserve);
    command
        .arg("-C")
        .arg(folder)
        .args(["check", "--format", "json"])
        .env("QUICKSERVE_STATE_DIR", state.path());
    // 3 is a refusal: no image and no values are there before somebody makes them.
    let mut check = || run(&mut command, &[0, 3]);
    // The first reads the executable from the disk.
    check()?;
    let mut runs = Vec::new();
    for _ in 0..rounds * RUNS {
        runs.push(check()?);
    }
    let typical = Typical::of(&runs);
    say(&head(&format!("examples/storefront, {} runs", runs.len())));
    say(&typical.line("quickserve check"));
    say(&busy());
    verdict.at_most("check of examples/storefront, start to end", typical.wall, MOST_MS, "ms");
    Ok(())
}
