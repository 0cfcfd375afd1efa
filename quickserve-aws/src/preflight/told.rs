//! QS607: what could not be looked at.

use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;
use quickserve_core::{Error, ErrorKind, Result};

/// A check's report; where the check could not be made, a finding that says so. A check that may not be made is worth
/// knowing; one that failed for another reason is a warning.
pub(super) fn told(what: &str, checked: Result<Report>) -> Report {
    match checked {
        Ok(report) => report,
        Err(error) => Report::of(vec![unchecked(what, &error)]),
    }
}

pub(super) fn unchecked(what: &str, error: &Error) -> Finding {
    let denied = error.kind() == ErrorKind::PermissionDenied;
    let severity = if denied { Severity::Info } else { Severity::Warning };
    let message = format!("{what} could not be checked: {}", error.causes().join(": "));
    let mut finding = Finding::new(Code::NOT_CHECKED, severity, message);
    finding.hint = error.hint().map(str::to_owned);
    finding
}
