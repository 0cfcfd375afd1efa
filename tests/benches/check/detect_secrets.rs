//! detect-secrets, which looks for secrets too and for nothing else: with all its plugins, and its filters as they come but one.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::process::{Ran, run};

/// Its scan of the files that git has, by as many processes as there are cores. Unasked it would send what it finds to
/// those who issue such tokens, to see whether it opens anything.
pub(crate) fn scan(program: &Path, folder: &Path) -> Result<Ran> {
    let cores = std::thread::available_parallelism()?.to_string();
    let arguments = ["--cores", &cores, "scan", "--no-verify"];
    run(Command::new(program).args(arguments).current_dir(folder), &[0])
}

/// How many places it reports.
pub(crate) fn places(ran: &Ran) -> Result<usize> {
    let report: Value = serde_json::from_str(&ran.output)?;
    let files = report["results"].as_object().ok_or("detect-secrets printed no results")?;
    Ok(files.values().filter_map(Value::as_array).map(Vec::len).sum())
}
