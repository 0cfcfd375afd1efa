//! What is wrong with pipelines: one file per subject.

mod absent;
mod concurrency;
mod credentials;
mod images;
mod lacking;
mod missing;
mod outputs;
mod pinned;
mod plain_secrets;
mod registered;
mod removed;
mod rendered;
mod rollback;
mod rollout;
mod scanned;
mod skipped;
mod unpushed;
mod unsafe_script;
mod variables;
mod versions;
mod waiting;

use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::workflow::Pipelines;

/// Judges all pipelines.
pub(super) fn check(pipelines: &Pipelines) -> Report {
    let rules: [fn(&Pipelines) -> Vec<Finding>; 28] = [
        absent::check,
        concurrency::check,
        credentials::long_lived_keys,
        credentials::permissions,
        images::not_deployed,
        images::unused_tag,
        images::latest_pushed,
        images::default_tag,
        images::literal_template,
        lacking::check,
        missing::check,
        outputs::check,
        pinned::check,
        plain_secrets::check,
        registered::check,
        removed::check,
        rendered::check,
        rollback::unawaited,
        rollback::judged_late,
        rollback::false_success,
        rollout::check,
        scanned::check,
        skipped::check,
        unpushed::check,
        unsafe_script::check,
        variables::check,
        versions::check,
        waiting::check,
    ];
    rules.iter().fold(Report::default(), |report, rule| report.and(Report::of(rule(pipelines))))
}

#[cfg(test)]
mod tests;
