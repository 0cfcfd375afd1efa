//! TODO

use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

/// TODO
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Contracts {}

pub(crate) fn read(_subject: &Subject) -> (Contracts, Vec<Finding>) {
    (Contracts::default(), Vec::new())
}

pub(crate) fn check(_subject: &Subject, _facts: &Facts) -> Report {
    Report::default()
}
