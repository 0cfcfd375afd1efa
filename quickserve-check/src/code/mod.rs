//! TODO

use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

/// TODO
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Code {}

pub(crate) fn read(_subject: &Subject) -> (Code, Vec<Finding>) {
    (Code::default(), Vec::new())
}

pub(crate) fn check(_subject: &Subject, _facts: &Facts) -> Report {
    Report::default()
}
