//! `make soak`: deployments under load for a long time; not one request may fail.
//!
//! `cargo bench -p quickserve-tests --bench soak -- [GOOD [FAILING [MINUTES]]]`: how many good and failing
//! deployments, and after how many minutes none begins any more.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use quickserve_tests::soak::{Length, soak};

const GOOD: usize = 50;
const FAILING: usize = 30;
const MINUTES: usize = 30;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // cargo adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with("--")).collect();
    let numbers: Option<Vec<usize>> = arguments.iter().map(|one| one.parse().ok()).collect();
    let Some(numbers) = numbers.filter(|numbers| numbers.len() <= 3) else {
        say("usage: cargo bench -p quickserve-tests --bench soak -- [GOOD [FAILING [MINUTES]]]");
        return ExitCode::from(2);
    };
    let number = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let minutes = u64::try_from(number(2, MINUTES)).unwrap_or(u64::MAX).min(24 * 60);
    let length =
        Length { good: number(0, GOOD), failing: number(1, FAILING), longest: Duration::from_mins(minutes) };
    let summary = soak(length, say).await;
    say(&summary.to_string());
    for failed in &summary.tally.failures {
        say(&format!("failed: {failed}"));
    }
    if summary.tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
