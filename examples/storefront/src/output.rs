//! The one place that prints: plain lines, events on stdout and errors on stderr.
//!
//! A reader that went away is no reason to stop serving, so failed writes are ignored (`println!` would
//! panic).

use std::io::Write;

/// Writes one event on stdout.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "storefront: {text}");
}

/// Writes one line on stderr.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
