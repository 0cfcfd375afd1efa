//! A corpus of Dockerfiles, judged by us and by hadolint: what both say, where they differ, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::civil::date;
use quickserve_core::finding::{Finding, Severity};

use super::{Circumstances, hadolint, judge, read_files};
use crate::Subject;

/// Why only one of both says it. A rule that is not here fails the test: it wants a look.
const WHY: [(&str, &str); 31] = [
    ("QS106", "hadolint does not look at values"),
    ("QS124", "hadolint does not look at values"),
    ("QS203", "hadolint compares no ports"),
    ("QS501", "hadolint looks at USER alone (DL3002); an image without one runs as root as well"),
    ("QS502", "hadolint's DL3057 is off unless it is switched on"),
    ("QS503", "hadolint asks for a tag; a tag can be moved, so we ask for a digest too"),
    ("QS504", "hadolint does not look at the order of COPY and RUN"),
    ("QS505", "hadolint does not ask what stays in the image"),
    ("QS507", "hadolint looks at the form (DL3025); sh -c and npm hide signals in either"),
    ("QS509", "hadolint knows MAINTAINER; we know flags and commands too"),
    ("QS510", "hadolint ends at the first line it cannot read, and does not check flags and durations"),
    ("QS513", "hadolint has no dates"),
    ("DL3000", "a relative WORKDIR works; BuildKit warns itself"),
    ("DL3002", "the last USER of a stage that others build on; the image's own user is another"),
    ("DL3003", "a matter of taste: cd in RUN works"),
    ("DL3006", "the base is an argument, or another stage's; we resolve it"),
    ("DL3008", "pinned packages of apt break the build as soon as the archive moves on"),
    ("DL3009", "the size of the image, not its deployment"),
    ("DL3013", "pinning by command; a requirements file with hashes does it better"),
    ("DL3015", "the size of the image, not its deployment"),
    ("DL3016", "pinning by command; a lock file does it better"),
    ("DL3018", "pinned packages of apk break the build as soon as the repository moves on"),
    ("DL3020", "ADD instead of COPY; we say so for URLs, where it matters"),
    ("DL3025", "the command of a health check, where no signal matters, or of a stage that is not the image"),
    ("DL3042", "the size of the image, not its deployment"),
    ("DL3045", "COPY to a relative path without WORKDIR works, from /"),
    ("DL3059", "the number of layers, not the deployment"),
    (
        "DL3066",
        "a user by name works wherever the image itself has it; runAsNonRoot of Kubernetes wants a number",
    ),
    ("DL4006", "a pipe whose first command fails; wanted, and not ours yet"),
    ("SC2086", "what ShellCheck says of RUN"),
    ("DL1000", "hadolint's parser ends here; the file is read all the same"),
];

fn corpus() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/dockerfiles");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus")
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.strip_suffix(".Dockerfile")?.to_owned(), entry.path()))
        })
        .collect();
    files.sort();
    files
}

/// Ours, without what concerns the context: there is none.
fn ours(path: &Path) -> Vec<Finding> {
    let mut findings = all(path);
    findings.retain(|finding| !matches!(finding.code.number(), 506 | 511));
    findings
}

fn all(path: &Path) -> Vec<Finding> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(path, folder.path().join("Dockerfile")).expect("a copy");
    let subject = Subject {
        root: folder.path().to_owned(),
        dockerfile: Some("Dockerfile".into()),
        ..Subject::default()
    };
    let (build, mut findings) = read_files(&subject);
    let circumstances = Circumstances::on(date(2026, 11, 28));
    findings.extend(judge(&build, &circumstances).findings);
    findings
}

/// hadolint, put under the target folder where it is not there.
fn peer() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let setup = Command::new(root.join(".ci/setup")).arg("hadolint").output().expect(".ci/setup");
    let said = String::from_utf8_lossy(&setup.stderr);
    assert!(
        setup.status.success(),
        "hadolint is needed to compare with, and could not be installed:\n{said}"
    );
    root.join("target/hadolint/bin/hadolint")
}

fn line(finding: &Finding) -> (String, usize) {
    (finding.code.to_string(), finding.place().map_or(0, |place| place.line))
}

fn rules<'a>(of: impl Iterator<Item = (String, usize)> + 'a) -> String {
    let mut by_rule: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (rule, line) in of {
        by_rule.entry(rule).or_default().insert(line);
    }
    let shown = by_rule.into_iter().map(|(rule, lines)| {
        let lines = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        format!("{rule}:{lines}")
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn hadolint_and_we_differ_where_we_know_why() {
    let program = peer();
    let (mut table, mut differing) = (String::new(), BTreeSet::new());
    for (name, path) in corpus() {
        let remarks = hadolint::run(&program, Path::new("/"), &path).expect("hadolint answers");
        let ours = ours(&path);
        let file = crate::Text::read(&path, "Dockerfile").expect("a Dockerfile");
        let lines: Vec<&str> = file.text.lines().collect();
        let (both, theirs): (Vec<_>, Vec<_>) = remarks
            .iter()
            .partition(|remark| ours.iter().any(|finding| hadolint::is_same(remark, finding, &lines)));
        let said = |finding: &&Finding| both.iter().any(|remark| hadolint::is_same(remark, finding, &lines));
        let only_ours: Vec<_> = ours.iter().filter(|finding| !said(finding)).map(line).collect();
        let rule = |remark: &&hadolint::Remark| (remark.rule.clone(), remark.line);
        let (both, theirs): (Vec<_>, Vec<_>) =
            (both.iter().map(rule).collect(), theirs.iter().map(rule).collect());
        differing.extend(theirs.iter().chain(&only_ours).map(|(rule, _)| rule.clone()));
        writeln!(table, "{name}").expect("a string");
        for (title, rules) in [
            ("both", rules(both.into_iter())),
            ("ours", rules(only_ours.into_iter())),
            ("hadolint", rules(theirs.into_iter())),
        ] {
            if !rules.is_empty() {
                writeln!(table, "  {title:<8} {rules}").expect("a string");
            }
        }
    }
    table.push_str("\nwhy\n");
    let mut unexplained = Vec::new();
    for rule in differing {
        match WHY.iter().find(|(known, _)| *known == rule) {
            Some((_, why)) => writeln!(table, "  {rule} {why}").expect("a string"),
            None => unexplained.push(rule),
        }
    }
    insta::assert_snapshot!("hadolint", table);
    assert_eq!(unexplained, [""; 0], "differences without a reason");
}

/// Files whose faults are known to end a deployment, or to give a secret away.
const WRONG: [&str; 4] = ["broken-order", "broken-syntax", "java-openjdk-faults", "python-flask-faults"];

#[test]
fn files_in_the_shape_of_known_projects_give_no_error() {
    let corpus = corpus();
    assert!(corpus.len() >= 25);
    for (name, path) in corpus {
        let errors: Vec<_> =
            ours(&path).into_iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert_eq!(!errors.is_empty(), WRONG.contains(&&*name), "{name}: {errors:?}");
    }
}

/// What concerns the context is left out of the comparison; users are known without it.
#[test]
fn the_users_of_known_projects_are_there() {
    for (name, path) in corpus() {
        let findings = all(&path).into_iter().filter(|finding| finding.message.contains("the user "));
        assert_eq!(findings.count(), 0, "{name}");
    }
}
