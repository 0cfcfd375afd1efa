//! The files of the case study, unchanged: every fault that a senior reviewer would name, and nothing wrong.

use std::path::Path;

use crate::{Subject, check};

#[test]
fn every_fault_of_the_case_study_is_told_with_its_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/case-study");
    let report = check(&Subject::in_folder(root));
    let told: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            let place = finding.location.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{:<8?}{} {}\n        --> {place}", finding.severity, finding.code, finding.message)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}
