//! TODO

use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

/// TODO
#[derive(Debug)]
#[non_exhaustive]
pub struct Definition {}

pub(crate) fn read(_subject: &Subject) -> (Option<Definition>, Vec<Finding>) {
    (None, Vec::new())
}

pub(crate) fn check(_subject: &Subject, _facts: &Facts) -> Report {
    Report::default()
}
