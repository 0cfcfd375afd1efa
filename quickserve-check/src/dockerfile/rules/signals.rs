//! QS507: a process that never sees SIGTERM, so that each stop ends in a kill and loses what is in flight.

use quickserve_core::finding::{Code, Finding};

use super::{Judge, has, program, shown, span_of, text_of, verb};
use crate::Text;
use crate::dockerfile::instruction::{Command, Word, script};
use crate::dockerfile::secrecy::shows_secret;
use crate::dockerfile::started::without_init;

pub(super) fn swallowed(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let (entrypoint, cmd) = (dockerfile.entrypoint(), dockerfile.cmd());
    let mut findings = Vec::new();
    if let (Some(Command::Shell(text)), Some(cmd)) = (entrypoint, cmd)
        && !text.as_str().is_empty()
    {
        let message = "CMD has no effect: ENTRYPOINT is run by a shell, which gets no arguments";
        let hint = "write ENTRYPOINT as a JSON list";
        findings.push(judge.file().warning(Code::SIGNALS_SWALLOWED, &cmd.span(), message).with_hint(hint));
    }
    // CMD alone are the arguments where there is an ENTRYPOINT.
    let (name, command) = match (entrypoint, cmd) {
        (Some(entrypoint), _) if !is_empty(entrypoint) => ("ENTRYPOINT", entrypoint),
        (_, Some(cmd)) => ("CMD", cmd),
        _ => return findings,
    };
    findings.extend(shell(judge, name, command).or_else(|| package_manager(judge, command, cmd)));
    if findings.is_empty() {
        findings.extend(judge.script.and_then(|script| unreplaced(judge, command, script)));
    }
    findings
}

fn is_empty(command: &Command) -> bool {
    match command {
        Command::Shell(text) => text.as_str().is_empty(),
        Command::Exec(words, _) => words.is_empty(),
    }
}

/// A shell in front of the program.
fn shell(judge: &Judge<'_>, name: &str, command: &Command) -> Option<Finding> {
    let (span, what) = match command {
        // A list that is no JSON is an error already.
        Command::Shell(text) if text.as_str().starts_with('[') => return None,
        Command::Shell(text) => (text.whole(), format!("{name} is in shell form")),
        Command::Exec(words, _) => {
            let script = script(without_init(words))?;
            // dumb-init signals the whole group, and so does tini -g.
            if words.len() != without_init(words).len() && (program(words) == "dumb-init" || has(words, "-g"))
            {
                return None;
            }
            (script.span.clone(), format!("{name} starts a shell"))
        }
    };
    let commands = command.simple();
    let last = commands.last()?;
    let exec = commands.iter().any(|words| words.first().is_some_and(|word| word.text == "exec"));
    // npm's own finding says more, and `httpd-foreground` and the like are scripts that replace themselves.
    if exec || npm_like(last) {
        return None;
    }
    // Some shells replace themselves by a last command and some do not: the file does not say which the image has.
    let message =
        format!("{what}: the shell may stay process 1 and keep SIGTERM from {}", shown_program(last));
    let hint = match command {
        Command::Shell(_) if commands.len() == 1 && !needs_shell(last) && !shows_secret(&text_of(last)) => {
            format!("write {name} [{}]", json(last))
        }
        _ => format!("write exec before {}", shown_program(last)),
    };
    Some(judge.file().warning(Code::SIGNALS_SWALLOWED, &span, message).with_hint(hint))
}

fn shown_program(words: &[Word]) -> &str {
    words.first().map_or("the program", |word| &word.text)
}

fn needs_shell(words: &[Word]) -> bool {
    words.iter().any(|word| word.text.contains(['$', '*', '>', '<', '`', '"']))
}

fn json(words: &[Word]) -> String {
    words.iter().map(|word| format!("\"{}\"", word.text)).collect::<Vec<_>>().join(", ")
}

/// `npm start`: npm in front of the program, and a shell between both.
fn package_manager(judge: &Judge<'_>, command: &Command, cmd: Option<&Command>) -> Option<Finding> {
    let mut commands = command.simple();
    let mut words = commands.pop()?;
    // ENTRYPOINT ["npm"] with CMD ["start"].
    if words.len() == 1
        && let Some(Command::Exec(arguments, _)) = cmd
        && command.is_exec()
        && cmd != Some(command)
    {
        words.extend(arguments.iter().cloned());
    }
    let plain = without_init(&words);
    let plain = if plain.first().is_some_and(|word| word.text == "exec") { &plain[1..] } else { plain };
    let has_init = plain.len() < words.len() && program(&words) != "exec";
    if has_init || !npm_like(plain) {
        return None;
    }
    let name = program(plain);
    let message = format!("`{}` makes {name} process 1, which ends badly on SIGTERM", shown(plain));
    let hint = "start the program itself, as in CMD [\"node\", \"server.js\"]";
    Some(judge.file().warning(Code::SIGNALS_SWALLOWED, &span_of(plain), message).with_hint(hint))
}

fn npm_like(words: &[Word]) -> bool {
    let verb = verb(words);
    match program(words) {
        "npm" => matches!(verb, "start" | "run" | "run-script" | "exec"),
        "yarn" | "pnpm" => !verb.is_empty(),
        _ => false,
    }
}

/// A script that starts the program and stays in front of it.
fn unreplaced(judge: &Judge<'_>, command: &Command, script: &Text) -> Option<Finding> {
    let handles = script.text.lines().any(|line| {
        let line = line.trim();
        let mut words = line.split(|char: char| char.is_whitespace() || matches!(char, ';' | '&' | '|'));
        !line.starts_with('#') && words.any(|word| matches!(word, "exec" | "trap" | "wait"))
    });
    if handles || script.text.trim().is_empty() {
        return None;
    }
    let message =
        format!("{} does not replace itself by what it starts: SIGTERM ends the script alone", script.file);
    let hint = format!("start the last command of {} with exec, as in exec \"$@\"", script.file);
    Some(judge.file().warning(Code::SIGNALS_SWALLOWED, &command.span(), message).with_hint(hint))
}
