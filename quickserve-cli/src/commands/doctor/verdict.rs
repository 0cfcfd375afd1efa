//! What is wrong with what was seen.

use quickserve_core::finding::{Code, Finding, Severity};

use super::examination::Examination;
use crate::commands::status::Seen;
use crate::settings::Context;
use crate::target::Target;

/// Restarts of a task within a day that are no accident any more.
const LOOP: u64 = 3;

pub(super) fn findings(
    context: &Context,
    target: &Target,
    seen: &Seen,
    examination: &Examination,
) -> Vec<Finding> {
    let mut findings = examination.unread.clone();
    let missing = examination.missing_variables(seen);
    if !missing.is_empty() {
        let message =
            format!("the tasks that serve lack {}, which the contract requires", missing.join(", "));
        let env_file = context.shown(&target.env_file);
        let hint = format!("give it a value in {env_file} or in the task definition, then deploy");
        findings.push(Finding::error(Code::MISSING_VARIABLE, message).with_hint(hint));
    }
    if let (Some(holder), Some(address)) = (&examination.holder, target.reach.public) {
        let message = format!("public port {} is held by {holder}", address.port());
        findings.push(Finding::error(Code::PORT_HELD, message).on(address.to_string()));
    }
    if seen.serving().len() > 1 && !seen.is_in_flight() {
        let parts: Vec<String> =
            seen.serving().iter().map(|one| format!("{:#} {} %", one.release, one.weight)).collect();
        let message = format!("more than one version serves: {}", parts.join(", "));
        findings.push(Finding::error(Code::MIXED_VERSIONS, message));
    }
    for end in
        examination.ends().iter().filter(|end| Some(&end.release) == seen.promoted() && end.count >= LOOP)
    {
        let message = format!("{} ends again and again: {}x {}", end.container, end.count, end.reason);
        let finding = Finding::new(Code::RESTART_LOOP, Severity::Error, message);
        findings.push(finding.on(format!("{:#}", end.release)));
    }
    if examination.machine.is_late() {
        let message = "the engine's clock and this machine's differ";
        let finding = Finding::new(Code::CLOCK_SKEW, Severity::Warning, message);
        findings.push(finding.with_hint("let both keep the time by NTP"));
    }
    for disk in examination.machine.disks.iter().filter(|disk| disk.is_full()) {
        let message = format!("the disk with {} is nearly full", disk.holds);
        let finding = Finding::new(Code::HOST_RESOURCES, Severity::Warning, message);
        findings.push(finding.on(disk.folder.display().to_string()));
    }
    findings
}
