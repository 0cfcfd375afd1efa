//! The targets, and whether they are met. A benchmark tells; it never fails because of a time.

use std::fmt;

#[derive(Debug, Default)]
pub(crate) struct Verdict(Vec<Target>);

#[derive(Debug)]
struct Target {
    what: String,
    measured: f64,
    most: f64,
    unit: &'static str,
}

impl Verdict {
    pub(crate) fn at_most(&mut self, what: &str, measured: f64, most: f64, unit: &'static str) {
        self.0.push(Target { what: what.to_owned(), measured, most, unit });
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<58}{:>10}{:>10}", "target", "measured", "at most")?;
        for Target { what, measured, most, unit } in &self.0 {
            let met = if measured <= most { "met" } else { "MISSED" };
            write!(f, "\n{what:<58}{measured:>10.2}{most:>10} {unit:<6}{met}")?;
        }
        Ok(())
    }
}
