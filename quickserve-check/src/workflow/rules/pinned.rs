//! QS805: actions that can change between two runs.
//!
//! A workflow has one such finding of each weight, with the lines of all: they are one habit and mended by one tool, and
//! one for each action buries the rest.

use std::collections::BTreeSet;

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding, Severity};

use crate::Text;
use crate::workflow::Pipelines;
use crate::workflow::actions::Workflow;

/// An action, or an image in its place, that its owner can change.
struct Unpinned<'a> {
    /// As it is written.
    uses: &'a str,
    span: &'a Span,
    severity: Severity,
    /// What is said of it where it is the only one.
    message: String,
    hint: String,
}

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    pipelines.files().flat_map(of_workflow).collect()
}

fn of_workflow(workflow: &Workflow) -> Vec<Finding> {
    let uses = workflow
        .jobs
        .iter()
        .flat_map(|job| job.uses.iter().chain(job.steps.iter().filter_map(|step| step.uses.as_ref())));
    let (warnings, infos): (Vec<Unpinned<'_>>, Vec<Unpinned<'_>>) = uses
        .filter_map(|(uses, span)| unpinned(uses, span))
        .partition(|one| one.severity == Severity::Warning);
    [warnings, infos].iter().filter_map(|all| finding(&workflow.file, all)).collect()
}

/// The finding of all actions of one weight, at the first.
fn finding(file: &Text, all: &[Unpinned<'_>]) -> Option<Finding> {
    let first = all.first()?;
    let names: BTreeSet<&str> = all.iter().map(|one| one.uses).collect();
    let (message, hint) = if names.len() == 1 {
        (first.message.clone(), first.hint.clone())
    } else {
        let line = |one: &Unpinned<'_>| file.source().place(one.span.start).line;
        let mut told = BTreeSet::new();
        let named = all.iter().filter(|one| told.insert(one.uses));
        let listed: Vec<String> = named.map(|one| format!("{} (line {})", one.uses, line(one))).collect();
        let message = format!("{} actions that their owners can move: {}", listed.len(), listed.join(", "));
        let hint =
            "name the commit of each, with the version as a comment; Dependabot and Renovate keep it new";
        (message, hint.to_owned())
    };
    let finding = match first.severity {
        Severity::Info => file.info(Code::UNPINNED_ACTION, first.span, message),
        Severity::Warning | Severity::Error => file.warning(Code::UNPINNED_ACTION, first.span, message),
    };
    Some(finding.with_hint(hint))
}

fn unpinned<'a>(uses: &'a str, span: &'a Span) -> Option<Unpinned<'a>> {
    // Of this repository, or made by an expression, which is none of GitHub's but is not ours to say.
    if uses.starts_with("./") || uses.contains("${{") {
        return None;
    }
    if let Some(image) = uses.strip_prefix("docker://") {
        let message = format!("image {image} is named by a tag that can move");
        let hint = "name it by its digest".to_owned();
        let unpinned = Unpinned { uses, span, severity: Severity::Warning, message, hint };
        return (!image.contains("@sha256:")).then_some(unpinned);
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
    let severity = if own { Severity::Info } else { Severity::Warning };
    let hint =
        format!("name the commit: `{action}@<40 digits> # {reference}`; Dependabot and Renovate keep it new");
    Some(Unpinned { uses, span, severity, message, hint })
}
