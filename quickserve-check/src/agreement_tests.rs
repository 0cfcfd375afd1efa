//! What is said of whole projects of a few files.

use std::path::Path;

use quickserve_core::finding::Finding;
use tempfile::TempDir;

use crate::{Subject, check};

/// A project of a few files.
pub(crate) struct Project(TempDir);

impl Project {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().expect("a folder"));
        files.iter().for_each(|(path, text)| project.write(path, text));
        project
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        check(&Subject::in_folder(self.root())).findings
    }

    /// "Weight file:line:column message" of the findings with that code.
    pub(crate) fn coded(&self, code: &str) -> Vec<String> {
        let findings = self.findings().into_iter().filter(|finding| finding.code.to_string() == code);
        let line = |finding: Finding| {
            let place = finding.location.map(|place| place.to_string()).unwrap_or_default();
            format!("{:?} {place} {}", finding.severity, finding.message)
        };
        findings.map(line).collect()
    }
}

pub(crate) const NONE: [&str; 0] = [];

/// A task of one container, with these fields.
pub(crate) fn task(container: &str) -> String {
    format!(
        r#"{{"family": "t", "containerDefinitions": [{{"name": "app", "image": "r/app:1.2", "memory": 64{container}}}]}}"#
    )
}

#[test]
fn no_health_script_outside_of_the_project_is_read() {
    let outer = Project::new(&[("h.js", "http.get('http://localhost:9999/up')")]);
    let project = outer.root().join("project");
    let absolute = outer.root().join("h.js");
    for script in ["../h.js", absolute.to_str().expect("a path"), "link.js"] {
        let command = format!(
            r#", "portMappings": [{{"containerPort": 80}}], "healthCheck": {{"command": ["CMD", "node", "{script}"]}}"#
        );
        outer.write("project/deploy/task.json", &task(&command));
        if !project.join("link.js").exists() {
            std::os::unix::fs::symlink("../h.js", project.join("link.js")).expect("a link");
        }
        let findings = check(&Subject::in_folder(&project)).findings;
        let quotes = |finding: &&Finding| finding.message.contains("9999");
        assert_eq!(findings.iter().find(quotes), None, "{script}");
        outer.write("project/own.js", "http.get('http://localhost:9999/up')");
    }
    let own = task(
        r#", "portMappings": [{"containerPort": 80}], "healthCheck": {"command": ["CMD", "node", "/app/own.js"]}"#,
    );
    outer.write("project/deploy/task.json", &own);
    let findings = check(&Subject::in_folder(&project)).findings;
    assert!(findings.iter().any(|finding| finding.message.contains("9999")), "{findings:?}");
}

#[test]
fn no_workflow_and_no_script_outside_of_the_project_is_read() {
    let outer = Project::new(&[
        ("scripts/a.sh", "docker push r/a:latest\n"),
        ("b.sh", "docker push r/a:latest\n"),
        ("w.yml", "on: push\njobs:\n  a:\n    steps:\n      - run: docker push r/a:latest\n"),
        ("project/.github/workflows/ok.yml", "on: push\njobs: {}\n"),
    ]);
    let project = outer.root().join("project");
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, project.join(at)).expect("a link");
    link("../scripts", "scripts");
    link("../b.sh", "b.sh");
    link("../../../w.yml", ".github/workflows/w.yml");
    let findings = check(&Subject::in_folder(&project)).findings;
    let pushed = findings.iter().filter(|finding| finding.code.to_string() == "QS803");
    assert_eq!(pushed.count(), 0, "{findings:?}");
    let refused = findings
        .iter()
        .filter(|finding| finding.message.ends_with("leads out of the project, and was not read"));
    assert_eq!(refused.count(), 2, "{findings:?}");
}
