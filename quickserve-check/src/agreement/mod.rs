//! What two files say of one thing, and disagree about: most of what ends a deployment is of this kind. One file per
//! subject.

mod aws;
mod coverage;
mod listening;
mod liveness;
mod loopback;
mod ports;
mod probes;
mod processors;
mod spring;
#[cfg(test)]
pub(crate) mod tests;
mod unrouted;

use quickserve_core::finding::Severity;
use quickserve_core::preflight::Report;

use crate::definition::{Definition, hidden_version, missing_program, no_task_role};
use crate::dockerfile::{Dockerfile, installs, unseen};
use crate::{Facts, Subject};

/// How many files of code are read at most to find routes and ports. In a larger project they may be anywhere.
const ROUTES: usize = 200;

pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    let mut report = Report::default();
    let paths = probes::paths(subject, facts);
    if !paths.is_empty() {
        report = report.and(Report::of(liveness::of_routes(subject, facts, &paths)));
    }
    report = report.and(coverage::check(subject, facts));
    let definition = facts.definition.as_ref();
    let described = definition.and_then(|definition| Some((definition, definition.main(subject)?)));
    report = report.and(Report::of(unrouted::check(subject, facts, described)));
    report = report.and(Report::of(loopback::check(subject, facts, described)));
    let Some((definition, main)) = described else { return report };
    let dockerfile = facts.build.dockerfile.as_ref();
    report = report.and(Report::of(ports::check(subject, facts, definition, main)));
    report = report.and(Report::of(processors::check(subject, facts, definition)));
    report = report.and(Report::of(spring::health(subject, facts, definition, main).into_iter().collect()));
    if let Some(dockerfile) = dockerfile {
        let mut found = missing_program(definition, main, dockerfile.base(), &installs(dockerfile));
        if let Some(finding) = found.as_mut().filter(|_| unseen(dockerfile)) {
            finding.severity = Severity::Warning;
        }
        report = report.and(Report::of(found.into_iter().collect()));
    }
    if subject.is_for_ecs() {
        let mut reads = facts.code.names();
        let of_image = dockerfile.map(Dockerfile::environment).unwrap_or_default();
        reads.retain(|read| !of_image.iter().any(|(name, ..)| name == read));
        report = report.and(Report::of(hidden_version(definition, subject, &reads).into_iter().collect()));
        report = report
            .and(Report::of(no_task_role(definition, aws::is_called(subject, facts)).into_iter().collect()));
    }
    report
}

/// Whether the main container surely runs the code of the project, and no proxy in front of it.
fn runs_the_code(subject: &Subject, definition: &Definition) -> bool {
    definition.containers().len() == 1 || subject.container.is_some()
}
