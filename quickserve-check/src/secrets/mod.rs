//! TODO

use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

pub(crate) fn check(_subject: &Subject, _facts: &Facts) -> Report {
    Report::default()
}
