//! Walks through a folder as `quickserve check` does, and prints what there is and how long it took.
//!
//! `cargo run --release -p quickserve-check --example scan -- FOLDER`

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a program of its own, that measures"
)]

use std::time::Instant;

use quickserve_check::{Subject, code};

fn main() {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let begun = Instant::now();
    let (code, unread) = code::scan(&Subject::in_folder(folder));
    let took = begun.elapsed().as_millis();
    let (files, usages, names) = (code.files.len(), code.usages.len(), code.names().len());
    println!(
        "{files} files, {usages} readings of {names} variables, {} committed, {took} ms",
        code.committed.len()
    );
    for finding in code.committed.iter().chain(&unread) {
        println!("{finding}");
    }
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = peak.lines().find(|line| line.starts_with("VmHWM")) {
        println!("{peak}");
    }
}
