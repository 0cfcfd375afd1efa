//! `check` over a large tree, beside reading the same files and beside detect-secrets.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::{Ran, Typical, busy, head, megabytes, run};
use crate::tree::{SAMPLE, Tree};
use crate::verdict::Verdict;
use crate::{Result, detect_secrets, floor, say};

const MOST_MS: f64 = 2000.0;
const MOST_MB: f64 = 150.0;

pub(crate) fn measure(
    quickserve: &Path,
    peer: &Path,
    rounds: usize,
    whole: bool,
    verdict: &mut Verdict,
) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("quickserve-bench-").tempdir()?;
    let (all, part) = (folder.path().join("all"), folder.path().join("part"));
    let tree = Tree::write(&all, 1)?;
    let sample = Tree::write(&part, SAMPLE)?;
    say(&tree.to_string());

    let itself = std::env::current_exe()?;
    let (mut checks, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        reads.push(run(Command::new(&itself).arg(floor::ARGUMENT).arg(&all), &[0])?);
        checks.push(check(quickserve, &all)?);
    }
    let (checked, read) = (Typical::of(&checks), Typical::of(&reads));
    let wrong = found(&checks[0], &tree)?;
    let mb = megabytes(tree.bytes);
    say(&head(&format!("{} files, {mb:.0} MB, {rounds} rounds", tree.files)));
    say(&read.line("reading them, and nothing else"));
    say(&checked.line("quickserve check"));
    let ratio = (checked.wall / read.wall, checked.cpu / read.cpu);
    say(&format!("ratio to reading: wall {:.1}, CPU {:.1}; {}", ratio.0, ratio.1, busy()));
    say(&format!("all {} planted secrets were found, and {wrong} places where none is", tree.secrets.len()));
    say("");

    // It takes minutes for all of the tree: both are compared over the same part of it.
    let (folder, files, bytes) =
        if whole { (&all, tree.files, tree.bytes) } else { (&part, sample.files, sample.bytes) };
    let ours = check(quickserve, folder)?;
    let theirs = detect_secrets::scan(peer, folder)?;
    let places = detect_secrets::places(&theirs)?;
    let (ours, theirs) = (Typical::of(&[ours]), Typical::of(&[theirs]));
    say(&head(&format!("{files} files, {:.0} MB, once", megabytes(bytes))));
    say(&theirs.line("detect-secrets scan"));
    say(&ours.line("quickserve check"));
    let planted = if whole { &tree } else { &sample }.secrets.len();
    let (wall, cpu) = (theirs.wall / ours.wall, theirs.cpu / ours.cpu);
    say(&format!(
        "detect-secrets: {wall:.0} times as long, {cpu:.0} times the CPU, {places} places for {planted} secrets"
    ));

    verdict.at_most("check of 20,000 files and 300 MB, start to end", checked.wall, MOST_MS, "ms");
    verdict.at_most("the same, the most memory resident", checked.peak, MOST_MB, "MB");
    Ok(())
}

fn check(quickserve: &Path, folder: &Path) -> Result<Ran> {
    // It is refused: what is planted refuses a deployment.
    run(Command::new(quickserve).args(["check", "--format", "json"]).current_dir(folder), &[3])
}

/// All that is planted must be found, in file and line; answers how many places have no planted secret.
fn found(ran: &Ran, tree: &Tree) -> Result<usize> {
    let report: Value = serde_json::from_str(&ran.output)?;
    let findings = report["findings"].as_array().ok_or("check printed no findings")?;
    let secrets = findings.iter().filter(|finding| finding["code"] == "QS107");
    let places: BTreeSet<String> = secrets
        .map(|finding| format!("{}:{}", text(&finding["where"]["file"]), finding["where"]["line"]))
        .collect();
    let missed: Vec<&str> =
        tree.secrets.iter().filter(|place| !places.contains(*place)).map(String::as_str).collect();
    if missed.is_empty() {
        return Ok(places.len() - tree.secrets.len());
    }
    let first = missed.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    Err(format!("check missed {} planted secrets, such as {first}", missed.len()).into())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
