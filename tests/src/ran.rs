//! What a command left.

use std::fmt::{self, Write as _};
use std::process::Output;

use serde_json::Value;

/// What a command left.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    text: String,
}

impl Ran {
    /// What a command with these arguments left; `redact` replaces what differs from run to run.
    pub(crate) fn new(arguments: &[&str], output: &Output, redact: impl Fn(&str) -> String) -> Self {
        let code = output.status.code().unwrap_or(-1);
        let stdout = String::from_utf8(output.stdout.clone()).expect("text");
        let stderr = String::from_utf8(output.stderr.clone()).expect("text");
        for text in [&stdout, &stderr] {
            assert!(!text.contains(crate::shop::SECRET), "a secret value is shown: {text}");
        }
        let mut text = format!("$ quickserve {}\n", arguments.join(" "));
        for (name, stream) in [("stdout", &stdout), ("stderr", &stderr)] {
            if !stream.is_empty() {
                let _ = write!(text, "--- {name}\n{}\n", stream.trim_end());
            }
        }
        let _ = write!(text, "--- exit {code}");
        Self { code, text: numbered_releases(&redact(&text)), stdout, stderr }
    }

    /// The lines of stdout as JSON.
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The last line of stdout as JSON.
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last();
        last.and_then(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| panic!("no JSON: {self}"))
    }
}

/// The command, its output and its exit code, as far as they are the same in every run.
impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Releases by the order of their appearance: which one is meant stays plain.
fn numbered_releases(text: &str) -> String {
    let mut known: Vec<String> = Vec::new();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("r-") {
        let (before, found) = rest.split_at(at + 2);
        let digits: String = found.chars().take_while(char::is_ascii_hexdigit).take(12).collect();
        let word = before[..at].ends_with(|last: char| last.is_ascii_alphanumeric());
        shown.push_str(before);
        rest = found;
        if digits.len() < 6 || word {
            continue;
        }
        let short = digits[..6].to_owned();
        let place = known.iter().position(|one| *one == short).unwrap_or_else(|| {
            known.push(short);
            known.len() - 1
        });
        let _ = write!(shown, "{:0width$}", place + 1, width = digits.len());
        rest = &rest[digits.len()..];
    }
    shown + rest
}
