//! QS515: a script that the image starts, or its health check runs, and that no kernel or shell can run.

use std::path::Path;
use std::time::Duration;

use quickserve_core::finding::{Code, Finding, Severity};

use super::Judge;
use super::start::{Run, lacks};
use crate::Text;
use crate::ask::ask;
use crate::dockerfile::instruction::{Command, Word};
use crate::dockerfile::origin::{self, Origin};
use crate::dockerfile::stages::join;
use crate::dockerfile::started::{script_of, without_exec};
use crate::workflow::scripts::{Found, look};

/// A script of the context, as it is in the image.
struct Script<'a> {
    word: &'a Word,
    path: String,
    text: Text,
    /// Whether it is run by itself, and not by a shell that is given it.
    is_direct: bool,
}

/// What is wrong with the script that a command runs first: that is where a container ends.
pub(super) fn fault(judge: &Judge<'_>, run: Run<'_>) -> Option<Finding> {
    let commands = run.command.simple();
    let words = if run.name == "HEALTHCHECK" { commands.first() } else { commands.last() }?;
    let script = find(judge, words)?;
    let is_exec = matches!(run.command, Command::Exec(list, _) if list.as_slice() == words.as_slice());
    mode(judge, run, &script)
        .or_else(|| line_ends(judge, run, &script))
        .or_else(|| interpreter(judge, run, &script, is_exec))
}

fn find<'a>(judge: &Judge<'_>, words: &'a [Word]) -> Option<Script<'a>> {
    let plain = without_exec(words);
    let first = plain.first()?;
    let word = script_of(plain).unwrap_or(first);
    let is_direct = std::ptr::eq(word, first);
    if word.text.contains(['$', '`']) || !is_direct && !is_shell(&first.text) {
        return None;
    }
    // A program without a folder is looked for along PATH.
    let folders = if word.text.contains('/') || !is_direct {
        vec![judge.dockerfile.workdir()]
    } else {
        ["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned).to_vec()
    };
    let path = folders.iter().find_map(|folder| {
        let traced = origin::trace(judge.dockerfile, judge.context, &join(folder, &word.text));
        match traced.origin {
            Origin::Context(path) if traced.is_untouched => Some(path),
            Origin::Context(_)
            | Origin::Ignored(_)
            | Origin::Missing(_)
            | Origin::Absent
            | Origin::Elsewhere => None,
        }
    })?;
    let text = judge.context.text(&path)?;
    let is_script = text.text.starts_with("#!") || is_script_name(&path) || !is_direct;
    let text = Text::new(judge.context.name(&path), text.text);
    is_script.then_some(Script { word, path, text, is_direct })
}

fn is_script_name(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "sh")
}

fn is_shell(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash"))
}

/// Docker documentation, "Dockerfile reference", COPY: files keep the mode that they have in the context.
fn mode(judge: &Judge<'_>, run: Run<'_>, script: &Script<'_>) -> Option<Finding> {
    let Script { word, path, text, is_direct } = script;
    if !is_direct || look(&judge.context.folder.join(path)) != Found::NotExecutable {
        return None;
    }
    let kept = kept(&judge.context.folder, path);
    let severity = if kept.is_executable { Severity::Warning } else { Severity::Error };
    let message =
        format!("{} may not be executed, and nothing gives it the right: {}", text.file, run.outcome);
    let finding = run.told(judge.file(), (Code::CANNOT_START, &word.span), (severity, message));
    Some(finding.with_hint(format!("git update-index --chmod=+x {}, or COPY --chmod=755", text.file)))
}

/// What git keeps of a file, where it does.
#[derive(Default)]
struct Kept {
    is_executable: bool,
    has_unix_ends: bool,
}

/// A working tree on another file system shows neither mode nor line ends as they are where others check them out.
fn kept(folder: &Path, path: &str) -> Kept {
    let mut command = crate::git::command(folder, ["ls-files", "--stage", "--eol", "--", path]);
    let Some(answer) = ask(&mut command, Duration::from_secs(10), 4096) else { return Kept::default() };
    let answer = String::from_utf8_lossy(&answer);
    let mut words = answer.split_whitespace();
    Kept { is_executable: words.next() == Some("100755"), has_unix_ends: words.any(|word| word == "i/lf") }
}

/// A first line that ends with a carriage return names an interpreter that nobody has; a shell takes it for a part of the
/// last word of each line.
fn line_ends(judge: &Judge<'_>, run: Run<'_>, script: &Script<'_>) -> Option<Finding> {
    let text = &script.text;
    let first = text.text.split('\n').next()?;
    if !first.ends_with('\r') {
        return None;
    }
    let kept = kept(&judge.context.folder, &script.path);
    let severity = if kept.has_unix_ends { Severity::Warning } else { Severity::Error };
    let message = format!("the lines of {} end as on Windows: {}", text.file, run.outcome);
    let finding = run.told(text, (Code::CANNOT_START, &(0..0)), (severity, message));
    Some(finding.with_hint("save it with LF, and write `*.sh text eol=lf` into .gitattributes"))
}

/// The interpreter that the first line names.
fn interpreter(judge: &Judge<'_>, run: Run<'_>, script: &Script<'_>, is_exec: bool) -> Option<Finding> {
    let text = &script.text;
    if !script.is_direct {
        return None;
    }
    let first = text.text.lines().next().unwrap_or_default();
    let Some(line) = first.strip_prefix("#!") else {
        // A shell that is told to run it reads it itself.
        let message =
            format!("{} does not begin with #!, and is run without a shell: {}", text.file, run.outcome);
        let finding = run.told(text, (Code::CANNOT_START, &(0..first.len())), (Severity::Error, message));
        return is_exec.then(|| finding.with_hint("begin it with #!/bin/sh"));
    };
    let mut words = line.split_whitespace();
    let mut name = words.next()?.rsplit('/').next()?;
    if name == "env" {
        name = words.find(|word| !word.starts_with('-') && !word.contains('='))?.rsplit('/').next()?;
    }
    let severity = lacks(judge, name)?;
    let base = judge.dockerfile.base();
    let message = format!("{} asks for {name}, which {base} does not have: {}", text.file, run.outcome);
    let finding = run.told(text, (Code::CANNOT_START, &(0..first.len())), (severity, message));
    let hint = match name {
        "bash" => "install bash, or begin it with #!/bin/sh where it needs nothing of bash".to_owned(),
        _ => format!("install {name}"),
    };
    Some(finding.with_hint(hint))
}
