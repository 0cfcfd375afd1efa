//! detect-secrets, which looks for secrets too and for nothing else: with all its plugins and filters as they come.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::process::{Ran, run};

/// Its scan of the files that git has, by as many processes as there are cores.
pub(crate) fn scan(program: &Path, folder: &Path) -> Result<Ran> {
    let cores = std::thread::available_parallelism()?.to_string();
    let ran = run(Command::new(program).args(["--cores", &cores, "scan"]).current_dir(folder), &[0])?;
    Ok(ran)
}

/// How many places it reports.
pub(crate) fn places(ran: &Ran) -> Result<usize> {
    let report: Value = serde_json::from_str(&ran.output)?;
    let files = report["results"].as_object().ok_or("detect-secrets printed no results")?;
    Ok(files.values().filter_map(Value::as_array).map(Vec::len).sum())
}
