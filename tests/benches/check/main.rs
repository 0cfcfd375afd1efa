//! `quickserve check` over the example service, and over a tree of 20,000 files beside detect-secrets and beside merely
//! reading the same files.
//!
//! `make bench`, or `cargo bench -p quickserve-tests --bench check -- QUICKSERVE STOREFRONT PEER [ROUNDS] [PART...]`:
//! the executable, the folder of the example, the executable of detect-secrets, and which of the parts `storefront`,
//! `tree` and `whole` (unsaid, the first two; `whole` runs detect-secrets over all of the tree, which takes very long).
//!
//! Rounds are interleaved, and every figure is a median of them: the machine may have other work. CPU time depends
//! least on that. The files are in the page cache: they were written just before.

mod detect_secrets;
mod floor;
mod process;
mod scan;
mod storefront;
mod tree;
#[path = "../router/verdict.rs"]
mod verdict;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use verdict::Verdict;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 7;
const PARTS: [&str; 3] = ["storefront", "tree", "whole"];

fn main() -> ExitCode {
    // cargo adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with("--")).collect();
    let done = match arguments.as_slice() {
        // How this program calls itself, so that the floor is a process like those that are measured.
        [floor, folder] if floor == floor::ARGUMENT => floor::read(folder.as_ref()),
        [quickserve, storefront, peer, rest @ ..] => {
            let rounds = rest.first().and_then(|rounds| rounds.parse().ok());
            let parts: Vec<&str> =
                rest.iter().skip(usize::from(rounds.is_some())).map(String::as_str).collect();
            if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
                say(&format!("unknown part: {unknown} ({})", PARTS.join(" ")));
                return ExitCode::from(2);
            }
            let parts = if parts.is_empty() { PARTS[..2].to_vec() } else { parts };
            run(&[quickserve, storefront, peer], rounds.unwrap_or(ROUNDS).max(1), &parts)
        }
        _ => {
            say(
                "usage: cargo bench -p quickserve-tests --bench check -- QUICKSERVE STOREFRONT PEER [ROUNDS] [PART...]",
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(paths: &[&String; 3], rounds: usize, parts: &[&str]) -> Result<()> {
    let [quickserve, storefront, peer] = paths.map(|path| absolute(path.as_ref()));
    let (quickserve, storefront) = (quickserve?, storefront?);
    let mut verdict = Verdict::default();
    if parts.contains(&"storefront") {
        storefront::measure(&quickserve, &storefront, rounds, &mut verdict)?;
        say("");
    }
    if parts.contains(&"tree") || parts.contains(&"whole") {
        scan::measure(&quickserve, &peer?, rounds, parts.contains(&"whole"), &mut verdict)?;
        say("");
    }
    say(&verdict.to_string());
    Ok(())
}

fn absolute(path: &Path) -> std::result::Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
