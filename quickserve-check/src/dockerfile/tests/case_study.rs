//! The case study.

use std::path::Path;

use quickserve_core::preflight::Report;

use super::report;

/// The case study's own two files, beside the files that they speak of.
#[test]
fn the_case_study_is_judged_rightly() {
    let fixture = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/case-study").join(name);
        std::fs::read_to_string(path).expect("the case study")
    };
    let (dockerfile, ignore) = (fixture("Dockerfile"), fixture(".dockerignore"));
    let files = [
        ("Dockerfile", &*dockerfile),
        (".dockerignore", &*ignore),
        ("package.json", "{}"),
        ("package-lock.json", "{}"),
        ("server.js", ""),
        ("healthcheck.js", ""),
        (".env", "DB_PASSWORD=4f9a8e21c0\n"),
        (".env.example", "DB_PASSWORD=\n"),
        (".git/HEAD", ""),
        ("node_modules/express/index.js", ""),
    ];
    let shown = |report: Report| {
        let mut findings = report.findings;
        crate::facts::sort(&mut findings);
        findings
            .iter()
            .map(|finding| format!("{:?} {finding}", finding.severity))
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!("case_study", shown(report(&files)));
    insta::assert_snapshot!("case_study_alone", shown(report(&files[..2])));
}
