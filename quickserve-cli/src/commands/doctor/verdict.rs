//! What is wrong with what was seen.

use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::orchestrator::{Health, TaskState};
use quickserve_core::release::ReleaseId;
use quickserve_core::remedy::remedy;

use super::examination::{Ends, Examination};
use super::machine::Machine;
use crate::commands::status::Seen;
use crate::render::short_task;
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
    // The cause first: what keeps clients from being answered.
    let mut findings = Vec::new();
    if let (Some(holder), Some(address)) = (&examination.holder, target.reach.public) {
        let message = format!("public port {} is held by {holder}", address.port());
        findings.push(Finding::error(Code::PORT_HELD, message).on(address.to_string()));
    }
    findings.extend(unserved(seen, examination).map(|why| {
        let message = format!("requests fail: {why}");
        Finding::error(Code::UNSERVED, message)
    }));
    findings.extend(unwell(seen, examination));
    findings.extend(looping(seen, examination));
    findings.extend(examination.unread.iter().cloned());
    let missing = examination.missing_variables(seen);
    if !missing.is_empty() {
        let message =
            format!("the tasks that serve lack {}, which the contract requires", missing.join(", "));
        // On ECS nothing has its values from a file.
        let env_file = target.settings.ecs.is_none().then(|| context.shown(&target.env_file));
        let env_file = env_file.map(|file| format!("in {file} or ")).unwrap_or_default();
        let hint = format!("give it a value {env_file}in the task definition, then deploy");
        findings.push(Finding::error(Code::MISSING_VARIABLE, message).with_hint(hint));
    }
    if seen.serving().len() > 1 && !seen.is_in_flight() {
        let parts: Vec<String> =
            seen.serving().iter().map(|one| format!("{:#} {} %", one.release, one.weight)).collect();
        let message = format!("more than one version serves: {}", parts.join(", "));
        findings.push(Finding::error(Code::MIXED_VERSIONS, message));
    }
    if examination.machine.as_ref().is_some_and(Machine::is_late) {
        let message = "the engine's clock and this machine's differ";
        let finding = Finding::new(Code::CLOCK_SKEW, Severity::Warning, message);
        findings.push(finding.with_hint("let both keep the time by NTP"));
    }
    let disks = examination.machine.iter().flat_map(|machine| &machine.disks);
    for disk in disks.filter(|disk| disk.is_full()) {
        let message = format!("the disk with {} is nearly full", disk.holds);
        let finding = Finding::new(Code::HOST_RESOURCES, Severity::Warning, message);
        findings.push(finding.on(disk.folder.display().to_string()));
    }
    findings
}

/// Why no client is answered, where that is so and nobody else holds the port.
fn unserved(seen: &Seen, examination: &Examination) -> Option<String> {
    let release = seen.promoted().and_then(|release| seen.release(release))?;
    if release.workload.endpoint.is_none() || seen.decided_tasks() == 0 || examination.holder.is_some() {
        return None;
    }
    if !seen.is_open() {
        return Some("the router is not running".to_owned());
    }
    seen.closed().map(str::to_owned).or_else(|| examination.asked.public.clone())
}

/// Tasks of what serves that do not do their work.
fn unwell(seen: &Seen, examination: &Examination) -> Vec<Finding> {
    let Some(release) = seen.promoted().filter(|_| !seen.is_in_flight()) else { return Vec::new() };
    let (tasks, decided) = (seen.promoted_tasks(), seen.decided_tasks());
    let finding = |message: String| Finding::error(Code::UNWELL_TASK, message).on(format!("{release:#}"));
    let mut findings = Vec::new();
    if tasks.len() < decided as usize {
        findings.push(finding(format!("{} of {decided} tasks are there", tasks.len())));
    }
    for task in &tasks {
        let asked = examination.asked.tasks.get(&task.id);
        let why = match &task.health {
            Health::Unhealthy(why) if answers(examination, task) => {
                findings.push(recovered(release, short_task(&task.id.0), why));
                continue;
            }
            Health::Unhealthy(why) => why,
            Health::Healthy | Health::Unknown => match asked {
                Some(why) => why,
                None => continue,
            },
        };
        findings.push(finding(format!("task {} is not well: {why}", short_task(&task.id.0))));
    }
    findings
}

/// Whether a task that the engine calls unhealthy answers all the same, and so does the service.
fn answers(examination: &Examination, task: &TaskState) -> bool {
    examination.asked.answering.contains(&task.id) && examination.asked.public.is_none()
}

/// The engine calls a task unhealthy until its next check has passed, which may be a while after it has come back.
fn recovered(release: &ReleaseId, task: &str, why: &str) -> Finding {
    let message = format!("task {task} answers as it should, and its health check has not passed yet: {why}");
    let finding = Finding::new(Code::UNWELL_TASK, Severity::Warning, message).on(format!("{release:#}"));
    finding.with_hint("look again after the next check; if it stays so, the check itself is wrong")
}

/// Whether the ends of a container are told as a finding.
pub(super) fn is_looping(seen: &Seen, examination: &Examination, end: &Ends) -> bool {
    seen.promoted() == Some(&end.release)
        && examination.restarts(&end.release).get(end.container.as_str()).is_some_and(|count| *count >= LOOP)
}

/// Containers of what serves that the engine starts again and again.
fn looping(seen: &Seen, examination: &Examination) -> Vec<Finding> {
    let Some(release) = seen.promoted() else { return Vec::new() };
    let ends = examination.ends();
    let looping = examination.restarts(release).into_iter().filter(|(_, count)| *count >= LOOP);
    let finding = |(container, count): (&str, u64)| {
        let known = ends.iter().filter(|end| end.release == *release && end.container == container);
        let known: Vec<String> = known.map(Ends::summary).collect();
        let known = if known.is_empty() { String::new() } else { format!("; {}", known.join(", ")) };
        let message = format!("{container} ends again and again: {count} times{known}");
        let finding = Finding::error(Code::RESTART_LOOP, message).on(format!("{release:#}"));
        let failures = examination.failures.iter().filter(|failure| failure.container == container);
        let said = failures.flat_map(|failure| [Some(&*failure.reason), failure.last_words.as_deref()]);
        match remedy(&said.flatten().collect::<Vec<_>>()) {
            Some(hint) => finding.with_hint(hint),
            None => finding,
        }
    };
    looping.map(finding).collect()
}
