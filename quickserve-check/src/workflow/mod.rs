//! Family QS8xx: GitHub Actions workflows and the shell scripts of a project, and the checkout that they are in.
//!
//! Workflows ([`actions`]) and scripts ([`scripts`]) hold texts of shell commands ([`shell`]); a rule looks at the
//! commands, wherever they stand. One file per subject in `rules`.

pub mod actions;
pub(crate) mod built;
mod exported;
mod flow;
mod git;
mod mapped;
mod pipelines;
mod programs;
mod pushed;
mod reference;
mod rules;
pub mod scripts;
pub mod shell;
mod template;
pub(crate) mod yaml;

use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

pub use git::commit;
pub use pipelines::Pipelines;
pub(crate) use template::{Replaced, is_replaced};

pub(crate) fn read(subject: &Subject) -> (Pipelines, Vec<Finding>) {
    pipelines::read(subject)
}

/// Judges what was read.
pub(crate) fn judge(pipelines: &Pipelines) -> Report {
    rules::check(pipelines)
}

pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    judge(&facts.pipelines).and(Report::of(git::tree(&subject.root)))
}
