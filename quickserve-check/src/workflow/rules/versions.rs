//! QS806: actions, and labels of runners, that GitHub does not run any more.
//!
//! As of 2026-11. Sources: GitHub changelog 2024-02-13 and 2024-04-16 (artifact actions before v4 fail since
//! 2025-01-30), 2024-12-05 (cache before v3 fails since 2025-03-01), 2025-09-19 (Node.js 20 gives way to 24 on
//! 2026-06-16 and is gone since 2026-09-16; actions for Node.js 12 and 16 had been moved to 20 before), and the
//! `action.yml` of each major version.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding, Severity};

use crate::Text;
use crate::workflow::Pipelines;
use crate::workflow::actions::Job;

/// What is known of an action.
struct Known {
    action: &'static str,
    /// Majors below this one are refused by github.com.
    runs_from: u32,
    /// The first major for Node.js 20; those below get no updates, and are for 12 or 16, at the very end for 20.
    node20_from: u32,
    /// The first major for Node.js 24.
    node24_from: u32,
}

const fn known(action: &'static str, runs_from: u32, node20_from: u32, node24_from: u32) -> Known {
    Known { action, runs_from, node20_from, node24_from }
}

/// Where a major has both, because a later minor moved on, it counts as the newer.
const KNOWN: [Known; 20] = [
    known("actions/checkout", 0, 4, 5),
    known("actions/setup-node", 0, 4, 5),
    known("actions/setup-python", 0, 5, 6),
    known("actions/setup-java", 0, 4, 5),
    known("actions/setup-go", 0, 5, 6),
    known("actions/setup-dotnet", 0, 4, 5),
    known("actions/cache", 3, 4, 5),
    known("actions/upload-artifact", 4, 4, 6),
    known("actions/download-artifact", 4, 4, 7),
    known("actions/github-script", 0, 7, 8),
    known("aws-actions/configure-aws-credentials", 0, 4, 6),
    known("aws-actions/amazon-ecr-login", 0, 2, 2),
    known("aws-actions/amazon-ecs-deploy-task-definition", 0, 2, 2),
    known("docker/build-push-action", 0, 5, 7),
    known("docker/login-action", 0, 3, 4),
    known("docker/setup-buildx-action", 0, 3, 4),
    known("docker/setup-qemu-action", 0, 3, 4),
    known("docker/metadata-action", 0, 5, 6),
    known("codecov/codecov-action", 0, 4, 0),
    known("google-github-actions/auth", 0, 2, 3),
];

/// Labels of GitHub's own runners that no machine answers to any more, and what to write instead.
const GONE: [(&str, &str); 10] = [
    ("ubuntu-16.04", "ubuntu-24.04"),
    ("ubuntu-18.04", "ubuntu-24.04"),
    ("ubuntu-20.04", "ubuntu-24.04"),
    ("macos-10.15", "macos-15"),
    ("macos-11", "macos-15"),
    ("macos-12", "macos-15"),
    ("macos-13", "macos-15"),
    ("windows-2016", "windows-2025"),
    ("windows-2019", "windows-2025"),
    ("macos-11.0", "macos-15"),
];

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in pipelines.files() {
        for job in &workflow.jobs {
            for (label, span) in &job.runs_on {
                findings.extend(gone(&workflow.file, label, span));
            }
            let uses = job.steps.iter().filter_map(|step| step.uses.as_ref());
            findings.extend(uses.filter_map(|(uses, span)| outdated(&workflow.file, job, uses, span)));
        }
    }
    findings
}

/// A warning only: one's own runner may have the label.
fn gone(file: &Text, label: &str, span: &Span) -> Option<Finding> {
    let (_, instead) = GONE.iter().find(|(gone, _)| *gone == label)?;
    let message =
        format!("GitHub has no runner {label} any more, and a job for it waits until it is cancelled");
    Some(file.warning(Code::OUTDATED_ACTION, span, message).with_hint(format!("write {instead}")))
}

fn outdated(file: &Text, job: &Job, uses: &str, span: &Span) -> Option<Finding> {
    let (action, reference) = uses.split_once('@')?;
    let name = action.to_ascii_lowercase();
    // `actions/cache/restore` is of the same repository.
    let is_of = |known: &&Known| {
        name.strip_prefix(known.action).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let known = KNOWN.iter().find(is_of)?;
    let major = major(reference).or_else(|| major(comment(file, span)))?;
    let hosted = job
        .runs_on
        .iter()
        .any(|(label, _)| ["ubuntu-", "macos-", "windows-"].iter().any(|system| label.starts_with(system)));
    let (severity, what) = if major < known.runs_from {
        // GitHub Enterprise Server still takes them; it has no hosted runners.
        let severity = if hosted { Severity::Error } else { Severity::Warning };
        (severity, format!("{action}@v{major} is refused by github.com: the job fails at once"))
    } else if major < known.node20_from {
        (
            Severity::Warning,
            format!("{action}@v{major} is not maintained any more, and for a Node.js that no runner has"),
        )
    } else if major < known.node24_from {
        (
            Severity::Info,
            format!("{action}@v{major} is for Node.js 20; runners have only 24 and run it on that"),
        )
    } else {
        return None;
    };
    let newer = known.node24_from.max(known.node20_from);
    let finding = match severity {
        Severity::Error => file.error(Code::OUTDATED_ACTION, span, what),
        Severity::Warning => file.warning(Code::OUTDATED_ACTION, span, what),
        Severity::Info => file.info(Code::OUTDATED_ACTION, span, what),
    };
    Some(finding.with_hint(format!("use v{newer} or newer")))
}

/// The comment that follows, where people note the version of a pinned commit.
fn comment<'t>(file: &'t Text, span: &Span) -> &'t str {
    let rest = file.text.get(span.end..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    line.trim_start_matches(['"', '\'']).trim_start().strip_prefix('#').map_or("", str::trim)
}

/// The major version of `v3`, `v3.1.0` or `3.1`. A commit is none.
fn major(reference: &str) -> Option<u32> {
    let version = reference.split_whitespace().next()?.trim_start_matches(['v', 'V']);
    let major = version.split(['.', '-']).next()?;
    (major.len() <= 3).then(|| major.parse().ok()).flatten()
}
