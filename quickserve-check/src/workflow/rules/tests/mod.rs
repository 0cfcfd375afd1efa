//! Every rule, found and not found.

mod case_study;
mod delivered;
mod deploying;
mod followed;
mod official;
mod scanned;
mod workflows;

use std::path::Path;

use quickserve_core::finding::{Finding, Severity};
use tempfile::TempDir;

use crate::Subject;

/// A project of a few files.
struct Project(TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("written");
        }
        Self(folder)
    }

    fn findings(&self) -> Vec<Finding> {
        findings(self.0.path())
    }

    /// The findings with this code: severity, place, message.
    fn coded(&self, code: &str) -> Vec<String> {
        self.findings().iter().filter(|finding| finding.code.to_string() == code).map(line).collect()
    }
}

/// All findings of a folder, in the order of a report.
fn findings(root: &Path) -> Vec<Finding> {
    let (pipelines, mut findings) = crate::workflow::read(&Subject::in_folder(root));
    findings.extend(super::check(&pipelines).findings);
    crate::facts::sort(&mut findings);
    findings
}

fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let place = finding.place().map(|place| format!("{}:{}", place.line, place.column)).unwrap_or_default();
    format!("{severity} {place} {}", finding.message)
}

/// A workflow of one job, whose steps are written here.
fn job(steps: &str) -> Project {
    let text = format!("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}");
    Project::new(&[(".github/workflows/a.yml", &text)])
}

/// A script that is called deploy.sh.
fn script(text: &str) -> Project {
    Project::new(&[("deploy.sh", text)])
}

const NONE: [&str; 0] = [];
