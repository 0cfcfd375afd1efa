//! The router beside nginx, HAProxy and Caddy: what a request costs, what a switch costs, what memory it takes.
//!
//! `make bench`, or `cargo bench -p quickserve-tests --bench router -- QUICKSERVE [ROUNDS] [PART...]`: the executable,
//! and which of the parts `cost`, `memory`, `switch` and `command` (unsaid, all).
//!
//! Each proxy has one worker on a core of its own, the last one; upstream and load have the others. Rounds are
//! interleaved, and every figure is a median of them: the machine may have other work. What depends on that least
//! is the CPU time of a request, and it is what counts.

mod clients;
mod command;
mod cost;
mod machine;
mod memory;
mod peers;
mod switch;
mod upstream;
mod verdict;
mod wrk;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use machine::Machine;
use verdict::Verdict;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 7;
const PARTS: [&str; 4] = ["cost", "memory", "switch", "command"];

fn main() -> ExitCode {
    // cargo adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with("--")).collect();
    let Some((quickserve, rest)) = arguments.split_first() else {
        say("usage: cargo bench -p quickserve-tests --bench router -- QUICKSERVE [ROUNDS] [PART...]");
        return ExitCode::from(2);
    };
    let rounds = rest.first().and_then(|rounds| rounds.parse().ok());
    let parts: Vec<&str> = rest.iter().skip(usize::from(rounds.is_some())).map(String::as_str).collect();
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        say(&format!("unknown part: {unknown} ({})", PARTS.join(" ")));
        return ExitCode::from(2);
    }
    let parts = if parts.is_empty() { PARTS.to_vec() } else { parts };
    match run(quickserve.as_ref(), rounds.unwrap_or(ROUNDS).max(1), &parts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(quickserve: &Path, rounds: usize, parts: &[&str]) -> Result<()> {
    let found = quickserve.canonicalize();
    let quickserve = found.map_err(|error| format!("{}: {error}", quickserve.display()))?;
    let machine = Machine::take()?;
    say(&machine.to_string());
    let mut verdict = Verdict::default();
    for part in parts {
        say("");
        match *part {
            "cost" => cost::measure(&machine, &quickserve, rounds, &mut verdict)?,
            "memory" => memory::measure(&machine, &quickserve, &mut verdict)?,
            "switch" => switch::measure(&machine, &quickserve, rounds)?,
            _ => command::measure(&quickserve, &mut verdict)?,
        }
    }
    say("");
    say(&verdict.to_string());
    Ok(())
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
