//! QS502: no health check in the image.

use quickserve_core::finding::{Code, Finding, Severity};

use super::Judge;

pub(super) fn missing(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let Some(last) = dockerfile.last() else { return Vec::new() };
    let (span, message) = match dockerfile.health() {
        Some((_, Some(_))) => return Vec::new(),
        Some((instruction, None)) => (&instruction.span, "the health check is switched off"),
        None => (&last.image.span, "no HEALTHCHECK: a process that hangs looks healthy"),
    };
    let mut finding = judge.file().warning(Code::NO_IMAGE_HEALTH_CHECK, span, message);
    if judge.circumstances.has_other_health_check {
        // ECS looks at that of the task definition alone; the image's serves whoever runs it elsewhere.
        finding.severity = Severity::Info;
    }
    let hint = if judge.circumstances.has_other_health_check {
        "add HEALTHCHECK CMD with a program that the image has, for where it runs without a task definition"
    } else {
        "add HEALTHCHECK CMD with a program that the image has, or a healthCheck to the task definition"
    };
    vec![finding.with_hint(hint)]
}
