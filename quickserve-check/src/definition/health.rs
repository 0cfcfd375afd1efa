//! Health checks: none, one that cannot work as it is written, one that gives up too early.
//!
//! ECS documentation, "Determine Amazon ECS task health using container health checks". The ranges of its numbers are
//! the core's to check, when it reads the definition.

use quickserve_core::finding::{Code, Finding};

use super::{Container, Definition, discretion};
use crate::Subject;

/// Within which time after its start a task may be given up without anybody calling it early, in seconds.
const ENOUGH: i64 = 30;

/// A container that takes requests and that nobody asks whether it can.
///
/// ECS documentation, "HealthCheck": only what the definition says counts; a HEALTHCHECK of the image is ignored.
pub(super) fn missing(definition: &Definition, subject: &Subject) -> Vec<Finding> {
    let main = definition.main(subject).filter(|container| !container.ports().is_empty());
    let Some(container) = main else { return Vec::new() };
    let file = &definition.file;
    let hint = "add a healthCheck to the definition: ECS does not use the HEALTHCHECK of a Dockerfile";
    match container.entry("healthCheck") {
        None => {
            let message = format!("{} takes requests and has no healthCheck", container.name());
            vec![file.warning(Code::NO_HEALTH_CHECK, &container.span(), message).with_hint(hint)]
        }
        Some(entry) => {
            let command = entry.node.get("command");
            let disabled = command.is_some_and(|node| {
                node.items().first().and_then(quickserve_core::document::Node::as_str) == Some("NONE")
            });
            let message = format!("{} takes requests and switches its health check off", container.name());
            let finding = file.warning(Code::NO_HEALTH_CHECK, &entry.key_span, message).with_hint(hint);
            Vec::from_iter(disabled.then_some(finding))
        }
    }
}

/// Commands that never succeed, or never fail. Docker documentation, "HEALTHCHECK": CMD runs one program without a
/// shell; CMD-SHELL gives one string to the shell.
pub(super) fn commands(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let containers = definition.containers().into_iter();
    let findings = containers.filter_map(|container| {
        let logs_in =
            container.health_command().is_some_and(|(words, _)| discretion::logs_in(&words.join(" ")));
        let finding = command(definition, container)?;
        Some(if logs_in { discretion::without_line(finding) } else { finding })
    });
    findings.collect()
}

fn command(definition: &Definition, container: Container<'_>) -> Option<Finding> {
    let ((words, span), name) = (container.health_command()?, container.name());
    let (file, code) = (&definition.file, Code::HEALTH_CHECK_VALUE);
    let joined = words[1..].join(" ");
    let shown = if discretion::logs_in(&joined) { "..." } else { &joined };
    match words.as_slice() {
        ["CMD", line] if line.contains(char::is_whitespace) => {
            let message = format!("the health check of {name} runs one program whose name is the whole line");
            let hint = "write CMD-SHELL before it, or each word as one item";
            Some(file.error(code, &span, message).with_hint(hint))
        }
        ["CMD", program, arguments @ ..] if arguments.iter().any(|word| is_operator(word)) => {
            let message = format!("the health check of {name} has no shell that knows ||, && or a pipe");
            let hint = format!("write [\"CMD-SHELL\", {shown:?}], or leave the rest away");
            // Both take it for one more URL, and fail on that.
            let fails = matches!(super::program::basename(program), "curl" | "wget");
            let finding =
                if fails { file.error(code, &span, message) } else { file.warning(code, &span, message) };
            Some(finding.with_hint(hint))
        }
        ["CMD-SHELL", first, _, ..] => {
            let first =
                if discretion::logs_in(first) { "its first text".to_owned() } else { format!("{first:?}") };
            let message = format!("the health check of {name} gives the shell {first} alone to run");
            let hint = format!("write it as one string: [\"CMD-SHELL\", {shown:?}]");
            Some(file.warning(code, &span, message).with_hint(hint))
        }
        _ if ignores_status(container, &joined) => {
            let message = format!("the health check of {name} succeeds whatever the service answers");
            let hint = "give curl the option -f, so that it fails on a status of 400 or more";
            Some(file.warning(code, &span, message).with_hint(hint))
        }
        _ => None,
    }
}

fn is_operator(word: &str) -> bool {
    matches!(word, "||" | "&&" | "|" | ";" | ">" | ">/dev/null" | "2>&1")
}

/// Whether it is a plain `curl` that does not look at the status. One whose output goes on into a pipe or a variable
/// is judged by somebody else.
fn ignores_status(container: Container<'_>, line: &str) -> bool {
    let is_curl = container.health_program().is_some_and(|(program, _)| program == "curl");
    let judged = line.replace("||", "").contains(['|', '$', '`']) || line.contains("%{");
    let fails = |word: &str| word == "--fail" || word == "--fail-with-body" || is_short_option(word, 'f');
    is_curl && !judged && !line.split_whitespace().any(fails)
}

/// Whether one of the letters of `-fsS` is that one.
fn is_short_option(word: &str, letter: char) -> bool {
    word.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.contains(letter))
}

/// Times within which no service starts, and times longer than the settings give it.
pub(super) fn grace(definition: &Definition, subject: &Subject) -> Vec<Finding> {
    let main = definition.main(subject).map(|container| container.name());
    let containers = definition.containers().into_iter().filter(Container::essential);
    let found = containers.filter_map(|container| {
        container.health_command()?;
        let expected = subject.rollout.filter(|_| main == Some(container.name()));
        let expected = expected.and_then(|rollout| i64::try_from(rollout.grace?.as_secs()).ok());
        grace_of(definition, container, expected)
    });
    let long = definition.containers().into_iter().filter_map(|container| outlasts(definition, container));
    found.chain(long).collect()
}

/// ECS documentation, "HealthCheck": failures within `startPeriod` do not count; then `retries` of them in a row, one
/// in each `interval`, end the task. The defaults are 0, 3 and 30.
fn grace_of(definition: &Definition, container: Container<'_>, expected: Option<i64>) -> Option<Finding> {
    let check = container.entry("healthCheck")?;
    let number = |key: &str, or: i64| check.node.get(key).and_then(super::container::integer).unwrap_or(or);
    let (start, retries, interval) = (number("startPeriod", 0), number("retries", 3), number("interval", 30));
    let given = retries.saturating_mul(interval).saturating_add(start);
    let (file, name) = (&definition.file, container.name());
    let span = check.node.get("startPeriod").map_or(&check.key_span, |node| &node.span);
    let report = |message: String, hint: String| {
        Some(file.warning(Code::GRACE_TOO_SHORT, span, message).with_hint(hint))
    };
    match expected {
        Some(expected) if given < expected => report(
            format!(
                "ECS gives {name} up {given} s after its start, and it may take {expected} s to be healthy"
            ),
            format!("raise startPeriod to {}", expected.min(300)),
        ),
        None if start == 0 && given < ENOUGH => report(
            format!("{name} must be healthy {given} s after its start, or ECS ends the task"),
            "give it a startPeriod as long as it takes to start, such as 60".to_owned(),
        ),
        _ => None,
    }
}

/// A check that takes longer than until the next one.
fn outlasts(definition: &Definition, container: Container<'_>) -> Option<Finding> {
    let check = container.get("healthCheck")?;
    let timeout = check.get("timeout")?;
    let seconds = super::container::integer(timeout)?;
    let interval = check.get("interval").and_then(super::container::integer).unwrap_or(30);
    let message =
        format!("the health check of {} may take {seconds} s, and runs every {interval} s", container.name());
    let finding = definition.file.warning(Code::HEALTH_CHECK_VALUE, &timeout.span, message);
    (seconds > interval).then(|| finding.with_hint("make timeout shorter than interval"))
}
