//! QS813: scripts that go on after an error, or delete what they should not.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use crate::workflow::Pipelines;
use crate::workflow::pipelines::{Origin, Unit};
use crate::workflow::pushed;
use crate::workflow::scripts::Script;
use crate::workflow::shell::{Command, Connector, Word};

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        let removals = unit.shell.commands.iter().filter(|command| command.name() == "rm");
        findings.extend(removals.filter_map(|command| removal(unit, command)));
        if let Origin::Script(script) = unit.origin {
            findings.extend(errors(script));
        }
    }
    findings
}

/// A recursive removal of a path that an empty variable makes another.
fn removal(unit: Unit<'_>, command: &Command) -> Option<Finding> {
    let recursive = |word: &Word| {
        word.text == "--recursive"
            || (word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains(['r', 'R']))
    };
    if !command.words.iter().any(recursive) {
        return None;
    }
    let dangerous = |word: &&Word| {
        word.references.iter().any(|reference| {
            let checked = reference.operator.starts_with(":?") || reference.operator.starts_with('?');
            let path = word.text.as_str();
            // Who sets it here, or what always is there, is hardly empty.
            let is_set = unit.value(&reference.name).is_some_and(|value| !value.is_empty())
                || unit
                    .shell
                    .assignments()
                    .any(|set| set.name == reference.name && !set.value.text.is_empty())
                || ["GITHUB_", "RUNNER_", "HOME", "PWD", "TMPDIR"]
                    .iter()
                    .any(|known| reference.name.starts_with(known));
            let written = [format!("${}/", reference.name), format!("${{{}}}/", reference.name)];
            let begins_root = written.iter().any(|prefix| path.starts_with(prefix.as_str()));
            !checked && !is_set && (!reference.quoted || begins_root)
        })
    };
    let word = command.words.iter().find(dangerous)?;
    let message = format!("removes another path than meant where {} is empty or has a blank", variable(word));
    let finding = unit.file.warning(Code::UNSAFE_SCRIPT, &word.span, message);
    Some(finding.with_hint(format!("write \"${{{}:?}}\" in quotes", word.references.first()?.name)))
}

fn variable(word: &Word) -> String {
    word.references.first().map(|reference| format!("${}", reference.name)).unwrap_or_default()
}

/// What a script does about commands that fail.
fn errors(script: &Script) -> Option<Finding> {
    let commands = &script.commands.commands;
    let matters = |command: &Command| command.deploys() || pushed::handles_images(command);
    if !commands.iter().any(matters) {
        return None;
    }
    let sets = Settings::of(script);
    let Some(span) = sets.errors_end else {
        let first = commands.iter().find(|command| matters(command))?;
        let finding = script.file.warning(
            Code::UNSAFE_SCRIPT,
            &first.span,
            "the script goes on after a command that fails",
        );
        return Some(finding.with_hint("begin it with `set -euo pipefail`"));
    };
    // What comes last in a pipe is looked at; a password that could not be had fails the login.
    let piped = commands.iter().find(|command| command.next == Connector::Pipe && matters(command));
    if let Some(piped) = piped.filter(|_| !sets.pipefail) {
        let message = "a failure of this is not noticed: the pipe has the result of its last command";
        let finding = script.file.warning(Code::UNSAFE_SCRIPT, &piped.span, message);
        return Some(finding.with_hint("add `set -o pipefail`"));
    }
    if sets.unset {
        return None;
    }
    let message = "a variable that is not set counts as empty here";
    let finding = script.file.info(Code::UNSAFE_SCRIPT, &span, message);
    Some(finding.with_hint(if script.is_bash() { "write `set -euo pipefail`" } else { "write `set -eu`" }))
}

/// What `set`, and the first line, ask the shell for.
#[derive(Default)]
struct Settings {
    /// Where errors end the script.
    errors_end: Option<Span>,
    unset: bool,
    pipefail: bool,
}

impl Settings {
    fn of(script: &Script) -> Self {
        let mut settings = Self::default();
        let first_line = script.interpreter.as_deref().unwrap_or_default();
        let options = first_line.split_whitespace().skip(1).filter(|word| word.starts_with('-'));
        let length = script.file.text.lines().next().map_or(0, str::len);
        for option in options {
            settings.take(option, &(0..length));
        }
        for command in script.commands.commands.iter().filter(|command| command.name() == "set") {
            for word in &command.words[1..] {
                settings.take(&word.text, &command.span);
            }
        }
        settings
    }

    fn take(&mut self, option: &str, span: &Span) {
        let letters = option.strip_prefix('-').unwrap_or_default();
        if letters.contains('e') || option == "errexit" {
            self.errors_end.get_or_insert(span.clone());
        }
        self.unset |= letters.contains('u') || option == "nounset";
        self.pipefail |= option == "pipefail";
    }
}
