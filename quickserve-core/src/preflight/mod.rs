//! Preflight: what is looked at before anything is changed, all findings at once.
//!
//! One file per family of findings. A check takes facts and answers a [`Report`]; it changes nothing, and one
//! that fails keeps no other from running.

mod host;
mod images;
mod last_look;
mod ports;
mod programs;
mod releases;
mod secrets;
mod variables;

pub use host::{architecture, disk, memory};
pub use images::resolve;
pub use last_look::LastLook;
pub use ports::{PortState, port};
pub use programs::{health_check, health_check_programs, unseen};
pub use releases::condemned;
pub use secrets::{SecretNames, SecretSource, secrets};
pub use variables::variables;

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, Severity};

/// What checks have shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many checks found nothing.
    pub passed: usize,
    /// What the others found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The result of one check: passed where it found nothing.
    pub fn of(findings: Vec<Finding>) -> Self {
        Self { passed: usize::from(findings.is_empty()), findings }
    }

    /// Adds what other checks have shown.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.findings.extend(other.findings);
        self
    }

    /// Lets findings refuse nothing that were accepted, each with its reason, which a note is told with as well.
    #[must_use]
    pub fn accepting(mut self, reasons: &BTreeMap<Code, String>) -> Self {
        for finding in &mut self.findings {
            if let Some(reason) = reasons.get(&finding.code) {
                finding.severity = Severity::Info;
                finding.message = format!("{} (accepted: {reason})", finding.message);
            }
        }
        self
    }

    /// Whether a deployment is refused.
    pub fn refuses(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_refuses_nothing_and_says_why_whatever_it_weighed() {
        let severities = [Severity::Error, Severity::Warning, Severity::Info];
        let findings =
            severities.map(|severity| Finding::new(Code::UNREAD_VARIABLE, severity, "nobody reads A"));
        let reasons = BTreeMap::from([(Code::UNREAD_VARIABLE, "the proxy reads it".to_owned())]);
        let report = Report::of(findings.into()).accepting(&reasons);
        assert!(!report.refuses());
        for finding in report.findings {
            assert_eq!(finding.severity, Severity::Info);
            assert_eq!(finding.message, "nobody reads A (accepted: the proxy reads it)");
        }
    }
}
