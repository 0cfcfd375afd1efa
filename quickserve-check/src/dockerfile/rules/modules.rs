//! QS511: a module of Python that a command names and that is not where Python looks for it.

use quickserve_core::finding::{Code, Finding};

use super::{Judge, run_commands};
use crate::dockerfile::instruction::{Body, Command, Word};
use crate::dockerfile::origin::{Origin, of};
use crate::dockerfile::stages::join;
use crate::dockerfile::started::without_exec;

/// Servers that are given `module:name`.
const SERVERS: [&str; 5] = ["uvicorn", "gunicorn", "hypercorn", "daphne", "granian"];

/// Options that have Python look elsewhere.
const ELSEWHERE: [&str; 4] = ["--app-dir", "--chdir", "--pythonpath", "-C"];

/// A module, and what names it.
struct Named<'a> {
    word: &'a Word,
    module: &'a str,
    /// Whether it is surely one of the project, as that of a server is; `python -m` runs installed ones as well.
    is_own: bool,
}

pub(super) fn missing(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    if dockerfile.environment().iter().any(|(name, ..)| name == "PYTHONPATH") {
        return Vec::new();
    }
    let commands = [dockerfile.entrypoint(), dockerfile.cmd()];
    let last = |command: &Command| command.simple().into_iter().next_back();
    let commands = commands.into_iter().flatten().filter_map(last);
    commands.filter_map(|words| finding(judge, &named(without_exec(&words))?)).collect()
}

fn named(words: &[Word]) -> Option<Named<'_>> {
    let is_elsewhere =
        |word: &Word| ELSEWHERE.iter().any(|option| word.text.split('=').next() == Some(*option));
    if words.iter().any(is_elsewhere) {
        return None;
    }
    let program = words.first()?.text.rsplit('/').next()?;
    let is_module = |text: &str| {
        let is_part = |part: &str| {
            !part.is_empty() && part.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
        };
        text.split('.').all(is_part)
    };
    let by_python = program.starts_with("python") && words.get(1)?.text == "-m";
    let server = if by_python { words.get(2)?.text.as_str() } else { program };
    if SERVERS.contains(&server) {
        let (word, module) = words.iter().skip(if by_python { 3 } else { 1 }).find_map(|word| {
            let (module, name) = word.text.split_once(':')?;
            (is_module(module) && name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_'))
                .then_some((word, module))
        })?;
        return Some(Named { word, module, is_own: true });
    }
    let word = words.get(2).filter(|word| by_python && is_module(&word.text))?;
    Some(Named { word, module: &word.text, is_own: false })
}

fn finding(judge: &Judge<'_>, named: &Named<'_>) -> Option<Finding> {
    let (dockerfile, context) = (judge.dockerfile, judge.context);
    let folder = dockerfile.workdir();
    let there = |path: &str| of(dockerfile, context, &join(&folder, path));
    let is_absent = |path: &str| match there(path) {
        Origin::Missing(_) | Origin::Ignored(_) | Origin::Absent => true,
        Origin::Context(_) | Origin::Elsewhere => false,
    };
    let path = named.module.replace('.', "/");
    // A module is a file, or a folder.
    if !(is_absent(&format!("{path}.py")) && is_absent(&path)) {
        return None;
    }
    let top = path.split('/').next().unwrap_or(&path);
    let has_package = matches!(there(top), Origin::Context(found) if context.is_folder(&found));
    let message = format!("{} is run, and {folder} has no such module", named.module);
    let (finding, name) = if has_package {
        (judge.file().error(Code::MISSING_SOURCE, &named.word.span, message), path.rsplit('/').next()?)
    } else if named.is_own && !installs_project(judge) {
        (judge.file().warning(Code::MISSING_SOURCE, &named.word.span, message), top)
    } else {
        return None;
    };
    let modules = context.entries.iter().filter_map(|entry| {
        let name = entry.rsplit('/').next()?;
        name.strip_suffix(".py").or_else(|| context.is_folder(entry).then_some(name))
    });
    let near = quickserve_core::document::nearest(name, modules.take(500));
    let hint = near.map_or_else(
        || "correct its name, or copy it where WORKDIR is".to_owned(),
        |near| {
            if near == name {
                format!("copy {near} where WORKDIR is")
            } else {
                format!("did you mean {near}")
            }
        },
    );
    Some(finding.with_hint(hint))
}

/// Whether the project itself is installed, so that its modules are where those of others are.
fn installs_project(judge: &Judge<'_>) -> bool {
    let installs = |words: &Vec<Word>| {
        let names = |name: &str| words.iter().any(|word| word.text == name);
        let is_pip =
            words.iter().any(|word| word.text.rsplit('/').next().is_some_and(|name| name.starts_with("pip")));
        let is_local =
            |word: &Word| word.text.starts_with('.') || word.text.contains(".whl") || word.text.contains('$');
        is_pip && names("install") && words.iter().any(is_local)
            || names("sync")
            || names("poetry")
            || names("pdm")
            || names("hatch")
            || words.iter().any(|word| word.text.ends_with("setup.py"))
    };
    let stages = judge.all();
    let mut runs = stages.filter(|(_, _, instruction)| matches!(instruction.body, Body::Run { .. }));
    runs.any(|(_, _, instruction)| run_commands(instruction).iter().any(installs))
}
