//! The files of the case study, unchanged: every fault that a senior reviewer would name, and nothing wrong.

use std::path::Path;

use crate::{Subject, check};

#[test]
fn every_fault_of_the_case_study_is_told_with_its_line() {
    // In a folder of its own: of a checkout it would be told that it is dirty.
    let folder = tempfile::tempdir().expect("a folder");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/case-study"), folder.path());
    let report = check(&Subject::in_folder(folder.path()));
    let told: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            let place = finding.location.as_ref().map(ToString::to_string).unwrap_or_default();
            format!(
                "{:<8} {} {}\n         --> {place}",
                format!("{:?}", finding.severity),
                finding.code,
                finding.message
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            std::fs::create_dir(&to).expect("a folder");
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).expect("a copy");
        }
    }
}
