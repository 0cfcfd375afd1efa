//! QS805: actions that can change between two runs.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use crate::Text;
use crate::workflow::Pipelines;

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in &pipelines.workflows {
        for job in &workflow.jobs {
            let steps = job.steps.iter().filter_map(|step| step.uses.as_ref());
            for (uses, span) in job.uses.iter().chain(steps) {
                findings.extend(unpinned(&workflow.file, uses, span));
            }
        }
    }
    findings
}

fn unpinned(file: &Text, uses: &str, span: &Span) -> Option<Finding> {
    // Of this repository, or made by an expression, which is none of GitHub's but is not ours to say.
    if uses.starts_with("./") || uses.contains("${{") {
        return None;
    }
    if let Some(image) = uses.strip_prefix("docker://") {
        let message = format!("image {image} is named by a tag that can move");
        let finding = file.warning(Code::UNPINNED_ACTION, span, message);
        return (!image.contains("@sha256:")).then(|| finding.with_hint("name it by its digest"));
    }
    let (action, reference) = uses.split_once('@')?;
    let is_commit =
        matches!(reference.len(), 40 | 64) && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit {
        return None;
    }
    let kind = if matches!(reference, "main" | "master" | "develop" | "trunk") { "branch" } else { "tag" };
    let message = format!("{action} is named by {kind} {reference}, which its owner can move");
    // What GitHub itself owns can hardly be trusted less than GitHub; a workflow elsewhere is mostly one's own.
    let own = action.starts_with("actions/")
        || action.starts_with("github/")
        || action.contains("/.github/workflows/");
    let finding = if own {
        file.info(Code::UNPINNED_ACTION, span, message)
    } else {
        file.warning(Code::UNPINNED_ACTION, span, message)
    };
    let hint =
        format!("name the commit: `{action}@<40 digits> # {reference}`; Dependabot and Renovate keep it new");
    Some(finding.with_hint(hint))
}
