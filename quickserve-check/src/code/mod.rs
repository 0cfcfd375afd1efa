//! TODO

use quickserve_core::finding::Finding;

use crate::Subject;

/// TODO
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Code {}

pub(crate) fn read(_subject: &Subject) -> (Code, Vec<Finding>) {
    (Code::default(), Vec::new())
}
