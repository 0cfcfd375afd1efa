//! QS419 and QS420 in scripts and workflows: how `aws ecs` is told to replace tasks.

use quickserve_core::finding::{Code, Finding};

use crate::definition::{is_stuck, stuck_hint, stuck_message};
use crate::workflow::Pipelines;
use crate::workflow::pipelines::Unit;
use crate::workflow::shell::{Command, Word};

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        for command in &unit.shell.commands {
            let sets = ["aws ecs update-service", "aws ecs create-service"];
            if let Some(word) = configuration(command).filter(|_| sets.iter().any(|words| command.is(words)))
            {
                findings.extend(of_configuration(unit, command, word));
            }
        }
    }
    findings
}

/// The word that holds the configuration of a deployment.
fn configuration(command: &Command) -> Option<&Word> {
    let option = "--deployment-configuration";
    let mut words = command.program().iter();
    let flag = words.find(|word| word.text.starts_with(option))?;
    if flag.text == option { words.next() } else { Some(flag) }
}

fn of_configuration(unit: Unit<'_>, command: &Command, word: &Word) -> Vec<Finding> {
    // Shorthand and JSON are told apart by their quotes only: `{"maximumPercent": 100}`, `maximumPercent=100`.
    let mut text: String = word.text.chars().filter(|char| !char.is_whitespace() && *char != '"').collect();
    text = text.replace(':', "=");
    // What a variable brings is not known, and other strategies do not look at bounds.
    if text.contains(['$', '`']) || (text.contains("strategy=") && !text.contains("strategy=ROLLING")) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let bounds = (number(&text, "minimumHealthyPercent"), number(&text, "maximumPercent"));
    if let (Some(least), Some(most)) = bounds {
        let count = command.option("--desired-count").and_then(|count| count.parse().ok());
        // Without a count, only what no count could mend is judged: 100 % of any is that many.
        let tasks = count.unwrap_or(100);
        if is_stuck(tasks, least, most) {
            let message = match count {
                Some(tasks) => stuck_message(tasks, least, most),
                None => format!(
                    "at least {least} % of the tasks stay and at most {most} % run: none can ever be replaced"
                ),
            };
            let hint =
                count.map_or_else(|| "let 200 % run, or let less than 100 % stay".to_owned(), stuck_hint);
            findings.push(unit.file.error(Code::NO_PROGRESS, &word.span, message).with_hint(hint));
        }
    }
    if let Some(at) = text.find("deploymentCircuitBreaker=") {
        let rest = &text[at..];
        let breaker = &rest[..rest.find('}').map_or(rest.len(), |end| end + 1)];
        let is_off = |field: &str| breaker.contains(&format!("{field}=false"));
        let alarms = text.find("alarms=").map_or("", |at| &text[at..]);
        let has_alarms = alarms.contains("enable=true") && alarms.contains("rollback=true");
        let message = if is_off("enable") {
            Some(
                "this switches the circuit breaker off: a deployment that fails starts its tasks again for ever",
            )
        } else if is_off("rollback") {
            Some("a deployment that fails is stopped, and the service stays as it is then: rollback is off")
        } else {
            None
        };
        if let Some(message) = message.filter(|_| !has_alarms) {
            let hint = "write deploymentCircuitBreaker={enable=true,rollback=true}";
            findings.push(unit.file.warning(Code::NO_CIRCUIT_BREAKER, &word.span, message).with_hint(hint));
        }
    }
    findings
}

/// The number that a field is given.
fn number(text: &str, field: &str) -> Option<u64> {
    let rest = text.split_once(&format!("{field}="))?.1;
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..length].parse().ok()
}
