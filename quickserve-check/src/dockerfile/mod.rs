//! TODO

use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

/// TODO
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Build {}

pub(crate) fn read(_subject: &Subject) -> (Build, Vec<Finding>) {
    (Build::default(), Vec::new())
}

pub(crate) fn check(_subject: &Subject, _facts: &Facts) -> Report {
    Report::default()
}
