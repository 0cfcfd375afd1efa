//! Rules on tiny files: found, and not found. One file per subject.

mod case_study;
mod context;
mod image;
mod layers;
mod processes;
mod reading;
mod stages;
mod start;
mod variables;

use std::path::{Path, PathBuf};

use jiff::civil::date;
use quickserve_core::finding::{Finding, Severity};
use quickserve_core::preflight::Report;

use super::{Circumstances, judge, read_files};
use crate::Subject;

/// A folder with these files, checked on a day of its own; what is wrong with the files themselves comes first.
fn report(files: &[(&str, &str)]) -> Report {
    report_on(files, &Circumstances::on(date(2026, 11, 28)))
}

fn report_on(files: &[(&str, &str)], circumstances: &Circumstances) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    report_of(folder.path(), circumstances)
}

fn report_of(folder: &Path, circumstances: &Circumstances) -> Report {
    let subject = Subject {
        root: folder.to_owned(),
        dockerfile: Some(PathBuf::from("Dockerfile")),
        ..Subject::default()
    };
    let (build, findings) = read_files(&subject);
    Report { passed: 0, findings }.and(judge(&build, circumstances))
}

/// "code weight line: message" of the findings with that code.
fn of_code(code: u16, files: &[(&str, &str)]) -> Vec<String> {
    let findings = report(files).findings;
    findings.iter().filter(|finding| finding.code.number() == code).map(line).collect()
}

fn line(finding: &Finding) -> String {
    let weight = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let line = finding.place().map_or(0, |place| place.line);
    format!("{weight} {line}: {}", finding.message)
}

/// Whether a Dockerfile alone gives a finding with that code.
fn found(code: u16, dockerfile: &str) -> Option<String> {
    let mut found = of_code(code, &[("Dockerfile", dockerfile)]);
    assert!(found.len() < 2, "{found:?}");
    found.pop()
}

#[track_caller]
fn assert_found(code: u16, dockerfile: &str, expected: &str) {
    assert_eq!(found(code, dockerfile).as_deref(), Some(expected), "{dockerfile}");
}

#[track_caller]
fn assert_fine(code: u16, dockerfile: &str) {
    assert_eq!(found(code, dockerfile), None, "{dockerfile}");
}
