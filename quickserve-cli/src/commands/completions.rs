//! `completions`: a shell's completions, as data.

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::output;

pub(super) fn run(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quickserve", &mut script);
    output::data(&String::from_utf8_lossy(&script));
}
