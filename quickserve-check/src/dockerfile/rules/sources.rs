//! QS511: a file that is copied, or run, and is not there.

use quickserve_core::finding::{Code, Finding, Severity};

use super::{Judge, has, program, run_commands, span_of, verb};
use crate::dockerfile::context::State;
use crate::dockerfile::ignore::clean;
use crate::dockerfile::instruction::{Body, Command, Instruction, Word, script};
use crate::dockerfile::origin::{self, Origin, is_made_by_a_build};
use crate::dockerfile::stages::{Stage, join};
use crate::dockerfile::started::{program_of, script_of};

/// Where so much is missing, the context is another one: the first names say it.
const MANY: usize = 50;

pub(super) fn missing(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stage in &judge.dockerfile.stages {
        for instruction in &stage.instructions {
            if let Body::Copy { sources, .. } = &instruction.body
                && instruction.flag("from").is_none()
            {
                findings.extend(
                    sources.iter().filter_map(|source| copied(judge, instruction, source)).take(MANY),
                );
            }
            if findings.len() >= MANY {
                return findings;
            }
        }
        findings.extend(lock_file(judge, stage));
    }
    let dockerfile = judge.dockerfile;
    let folder = dockerfile.workdir();
    for command in dockerfile.commands() {
        let started = dockerfile.entrypoint().into_iter().chain(dockerfile.cmd());
        let starts = started.into_iter().any(|started| std::ptr::eq(started, command));
        findings.extend(run(judge, &folder, command, starts));
    }
    findings
}

/// A source of `COPY`.
fn copied(judge: &Judge<'_>, instruction: &Instruction, source: &Word) -> Option<Finding> {
    let (written, context) = (&*source.text, judge.context);
    let is_elsewhere = written.contains('$') || written.contains("://") || written.starts_with("git@");
    let path = clean(written);
    if is_elsewhere || path == "." {
        return None;
    }
    let file = judge.file();
    if written.contains(['*', '?', '[']) {
        let found = context.matching(written);
        // A pattern beside a name is the way to say that a file may be absent.
        let is_optional = matches!(&instruction.body, Body::Copy { sources, .. } if sources.len() > 1);
        if is_optional || is_made_by_a_build(&path) || found.iter().any(|path| !context.excludes(path)) {
            return None;
        }
        let why = if found.is_empty() { "in the build context" } else { "that .dockerignore lets through" };
        let message = format!("{written} matches no file {why}");
        return Some(
            file.warning(Code::MISSING_SOURCE, &source.span, message)
                .with_hint("correct the pattern, or the build context"),
        );
    }
    match context.state(&path) {
        State::Sent => None,
        State::Ignored if has_kept_content(judge, &path) => None,
        State::Ignored => {
            let message = format!("{path} is copied, and .dockerignore leaves it out: the build fails");
            let hint = format!("add !{path} to .dockerignore, after the pattern that leaves it out");
            Some(file.error(Code::MISSING_SOURCE, &source.span, message).with_hint(hint))
        }
        State::Missing if is_made_by_a_build(&path) => None,
        State::Missing => {
            let message = format!("{path} is copied and not in the build context");
            let near = near(judge, &path);
            let finding = file.warning(Code::MISSING_SOURCE, &source.span, message);
            Some(
                finding.with_hint(
                    near.unwrap_or_else(|| "correct its name, or make it before the build".into()),
                ),
            )
        }
    }
}

/// Whether an ignored folder has something in it that is brought back.
fn has_kept_content(judge: &Judge<'_>, folder: &str) -> bool {
    let inside = |entry: &&String| entry.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    judge.context.entries.iter().filter(inside).any(|entry| !judge.context.excludes(entry))
}

fn near(judge: &Judge<'_>, path: &str) -> Option<String> {
    let entries = judge.context.entries.iter().map(|entry| &**entry);
    let name = path.rsplit('/').next().unwrap_or(path);
    let same = entries.clone().find(|entry| entry.rsplit('/').next() == Some(name));
    same.or_else(|| quickserve_core::document::nearest(path, entries.take(2000)))
        .map(|entry| format!("did you mean {entry}"))
}

/// `npm ci`, which needs a lock file.
fn lock_file(judge: &Judge<'_>, stage: &Stage) -> Option<Finding> {
    let mut folder: Option<String> = None;
    for instruction in &stage.instructions {
        match &instruction.body {
            Body::Copy { .. } if instruction.flag("from").is_some() => folder = None,
            Body::Copy { sources, .. } => {
                for source in sources.iter().map(|source| clean(&source.text)) {
                    let (parent, name) = source.rsplit_once('/').unwrap_or(("", &source));
                    if matches!(name, "package.json" | "package*.json" | "package-lock.json") {
                        folder = Some(parent.to_owned());
                    } else if source == "." {
                        folder = folder.or(Some(String::new()));
                    }
                }
            }
            // Another folder, which may have a lock file of its own.
            Body::Workdir(_) => folder = None,
            Body::Run { .. } => {
                let commands = run_commands(instruction);
                let npm = commands.iter().find(|words| {
                    program(words) == "npm" && matches!(verb(words), "ci" | "install" | "i" | "shrinkwrap")
                });
                let Some(words) = npm else { continue };
                // Any other of these writes the lock file.
                let moves = commands.iter().any(|words| program(words) == "cd");
                let is_here = verb(words) == "ci" && !moves && !has(words, "--prefix") && !has(words, "-C");
                return lock_file_of(judge, folder.as_deref().filter(|_| is_here)?, words);
            }
            _ => {}
        }
    }
    None
}

fn lock_file_of(judge: &Judge<'_>, folder: &str, words: &[Word]) -> Option<Finding> {
    let state = |name: &str| judge.context.state(&clean(&format!("{folder}/{name}")));
    let locks = [state("package-lock.json"), state("npm-shrinkwrap.json")];
    if state("package.json") != State::Sent || locks.contains(&State::Sent) {
        return None;
    }
    let why =
        if locks.contains(&State::Ignored) { "and .dockerignore leaves it out" } else { "and there is none" };
    let message = format!("npm ci needs package-lock.json, {why}: the build fails");
    let finding = judge.file().error(Code::MISSING_SOURCE, &span_of(words), message);
    Some(finding.with_hint("run npm install, commit package-lock.json, and let it through .dockerignore"))
}

fn missing_script(script: &str, from: &str) -> String {
    if clean(script) == from {
        format!("{from} is run and not in the build context")
    } else {
        format!("{script} is run, and {from} is not in the build context")
    }
}

/// How a file comes into the final image that the context has, or a stage.
fn brought(judge: &Judge<'_>, path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_it = |entry: &&String| entry.rsplit('/').next() == Some(name) && !judge.context.excludes(entry);
    match judge.context.entries.iter().find(is_it) {
        Some(entry) => format!("copy it in the last stage: COPY {entry} {path}"),
        None => "copy it in the last stage, or from the stage that makes it".to_owned(),
    }
}

/// Whether nothing will bring a script: its folder is there with others of its kind, none of which it is made from, and
/// git is not told to leave it out.
fn is_surely_absent(judge: &Judge<'_>, path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Some((stem, kind)) = name.rsplit_once('.') else { return false };
    let beside = judge.context.entries.iter().filter_map(|entry| {
        let (there, name) = entry.rsplit_once('/').unwrap_or(("", entry));
        (there == folder).then(|| name.rsplit_once('.')).flatten()
    });
    let (mut has_kin, mut has_source) = (false, false);
    for (other, other_kind) in beside {
        has_kin |= other_kind == kind;
        has_source |= other == stem;
    }
    let ignored = judge.context.text(".gitignore").is_some_and(|text| {
        text.text.lines().any(|line| line.contains(stem) || line.trim_end().ends_with(&format!("*.{kind}")))
    });
    has_kin && !has_source && !ignored
}

/// Whether no shell puts a command together from other texts.
fn is_plain(command: &Command) -> bool {
    let is_open = |text: &str| text.contains(['$', '`']);
    match command {
        Command::Shell(text) => !is_open(text.as_str()),
        Command::Exec(words, _) => script(words).is_none_or(|script| !is_open(&script.text)),
    }
}

/// The script that a command runs.
fn run(judge: &Judge<'_>, folder: &str, command: &Command, starts: bool) -> Vec<Finding> {
    let context = judge.context;
    let mut findings = Vec::new();
    // More than a few scripts in one command nobody writes.
    for words in command.simple().into_iter().take(8) {
        let program = || program_of(&words).filter(|_| is_plain(command));
        let Some(script) = script_of(&words).or_else(program) else { continue };
        let is_program = script_of(&words).is_none();
        let path = join(folder, &script.text);
        let (severity, message, hint) = match origin::of(judge.dockerfile, context, &path) {
            // What kind of file a program is, and who makes it, its name does not say.
            Origin::Missing(_) | Origin::Ignored(_) if is_program => continue,
            Origin::Ignored(from) => (
                Severity::Error,
                format!("{} is run, and .dockerignore leaves {from} out of the image", script.text),
                format!("add !{from} to .dockerignore, after the pattern that leaves it out"),
            ),
            Origin::Missing(from) if !is_made_by_a_build(&from) => (
                if starts && is_surely_absent(judge, &from) { Severity::Error } else { Severity::Warning },
                missing_script(&script.text, &from),
                near(judge, &from).unwrap_or_else(|| "correct its name, or copy it".into()),
            ),
            Origin::Absent => (
                Severity::Error,
                format!("{} is run, and nothing brings it into the final image", script.text),
                brought(judge, &path),
            ),
            // Nothing in the Dockerfile makes it, and what a build outside of it makes stays out of the context.
            Origin::Missing(from) if context.excludes(&from) => (
                Severity::Error,
                format!("{} is run, and .dockerignore leaves {from} out of the image", script.text),
                "build it in the Dockerfile, or let it through .dockerignore".to_owned(),
            ),
            Origin::Missing(_) | Origin::Context(_) | Origin::Elsewhere => continue,
        };
        let mut finding = judge.file().warning(Code::MISSING_SOURCE, &script.span, message).with_hint(hint);
        finding.severity = severity;
        findings.push(finding);
    }
    findings
}
