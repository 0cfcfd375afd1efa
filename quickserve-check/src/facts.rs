//! Everything that is read, and the checks that look at it.

use std::thread;

use quickserve_core::finding::{Finding, Place, Severity};
use quickserve_core::preflight::Report;

use crate::code::Code;
use crate::contract::Contracts;
use crate::definition::Definition;
use crate::dockerfile::Build;
use crate::hide::hide;
use crate::workflow::Pipelines;
use crate::{
    Subject, agreement, code, compose, contract, definition, dockerfile, scanned, secrets, workflow,
};

/// What the files of a subject say. What is not there is absent, and what could not be read is among the findings.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Facts {
    /// The contract of variables, and the files of values.
    pub contracts: Contracts,
    /// The task definition.
    pub definition: Option<Definition>,
    /// The Dockerfile and the build context.
    pub build: Build,
    /// What the code reads, and the names of all files.
    pub code: Code,
    /// Workflows and scripts.
    pub pipelines: Pipelines,
    /// What was wrong with the files themselves.
    pub findings: Vec<Finding>,
}

impl Facts {
    /// Reads the files, all at a time.
    pub fn read(subject: &Subject) -> Self {
        let mut findings = Vec::new();
        let mut facts = thread::scope(|scope| {
            let code = scope.spawn(|| code::read(subject));
            let rest = scope.spawn(|| {
                (
                    contract::read(subject),
                    definition::read(subject),
                    dockerfile::read(subject),
                    workflow::read(subject),
                )
            });
            let (code, code_findings) = joined(code.join());
            let ((contracts, a), (definition, b), (build, c), (pipelines, d)) = joined(rest.join());
            findings.extend([code_findings, a, b, c, d].into_iter().flatten());
            Self { contracts, definition, build, code, pipelines, findings: Vec::new() }
        });
        facts.findings = findings;
        facts
    }
}

/// A panic of a reader is a fault of ours: it is not hidden.
fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Reads the files of a subject and checks them: all that is wrong, sorted, each once.
pub fn check(subject: &Subject) -> Report {
    let mut facts = Facts::read(subject);
    let mut report = Report::of(std::mem::take(&mut facts.findings));
    let checks: [fn(&Subject, &Facts) -> Report; 8] = [
        contract::check,
        secrets::check,
        scanned::check,
        definition::check,
        dockerfile::check,
        workflow::check,
        agreement::check,
        compose::check,
    ];
    for check in checks {
        report = report.and(check(subject, &facts));
    }
    weigh(subject, &mut report.findings);
    hide(&mut report.findings);
    sort(&mut report.findings);
    report
}

/// The family of workflows and scripts.
const PIPELINE: u16 = 8;

/// What cannot be in the way of a deployment refuses none: whoever only asks is told what whoever deploys meets.
fn weigh(subject: &Subject, findings: &mut [Finding]) {
    for finding in findings {
        if subject.deployed_by_quickserve && finding.code.number() / 100 == PIPELINE {
            finding.severity = finding.severity.min(Severity::Warning);
        }
    }
}

/// Sorts findings as they are told: by weight, the heaviest first, then by place and code; what is said twice is said once,
/// also where two readers of one file say it and show more or less of it.
pub fn sort(findings: &mut Vec<Finding>) {
    let key = |finding: &Finding| {
        let resource = finding.location.as_ref().map(ToString::to_string);
        let place: Option<Place> = finding.place().cloned();
        (std::cmp::Reverse(finding.severity), place, finding.code, resource, finding.message.clone())
    };
    findings.sort_by_cached_key(key);
    findings.dedup_by(|again, first| {
        let is_same = key(again) == key(first);
        if is_same {
            unite(first, again);
        }
        is_same
    });
}

/// Makes one finding of two that say the same. A line that one of them keeps to itself is not shown; of two hints the
/// longer says more.
fn unite(first: &mut Finding, again: &mut Finding) {
    if first.excerpt != again.excerpt {
        first.excerpt = None;
    }
    let length = |finding: &Finding| finding.hint.as_ref().map_or(0, String::len);
    if length(again) > length(first) {
        first.hint = again.hint.take();
    }
}

#[cfg(test)]
mod tests {
    use quickserve_core::document::Source;
    use quickserve_core::finding::Code;

    use super::*;

    #[test]
    fn what_two_readers_say_of_one_place_is_said_once_and_as_discreetly_as_either() {
        let source = Source { file: "f", text: "value: 31415926" };
        let open = source.error(Code::CONFIG_VALUE, &(7..15), "expected a string").with_hint("quote it");
        let mut discreet = open.clone();
        (discreet.excerpt, discreet.hint) = (None, None);
        let other = source.error(Code::CONFIG_VALUE, &(0..5), "expected a string");
        let mut findings = vec![open.clone(), other.clone(), discreet.clone()];
        sort(&mut findings);
        discreet.hint.clone_from(&open.hint);
        assert_eq!(findings, [other, discreet]);
    }
}
