//! The port that the code itself fixes, whatever `PORT` says.

use std::path::{Path, PathBuf};

use super::{ROUTES, runs_the_code};
use crate::code::{Language, listening, paths};
use crate::definition::{Container, Definition, PortClaim, Weight};
use crate::dockerfile::{Command, Dockerfile};
use crate::{Facts, Subject, Text, inside};

/// The only call of the project that listens, where it does so on a number.
struct Fixed {
    path: PathBuf,
    file: Text,
    language: Language,
    port: u16,
    span: std::ops::Range<usize>,
}

/// What the code says of the port of the main container. Nothing where several calls listen, something else says where,
/// or a container of another image may be in front.
pub(super) fn claim(
    subject: &Subject,
    facts: &Facts,
    definition: &Definition,
    main: Container<'_>,
) -> Option<PortClaim> {
    let reads_port = facts.code.usages_of("PORT").next().is_some();
    if reads_port || !runs_the_code(subject, definition) {
        return None;
    }
    let fixed = fixed(subject, facts)?;
    if main.ports().iter().any(|(port, _)| *port == fixed.port) {
        return None;
    }
    let what = format!("the port that {} listens on", fixed.file.file);
    let claim = PortClaim::new(&fixed.file, &fixed.span, fixed.port, what);
    match started(subject, Some(main), facts.build.dockerfile.as_ref()) {
        // Of a server of another process, such as gunicorn, it is that one that listens.
        Some(command) if !runs(&command, &fixed) => None,
        // Which files a program was compiled from is not told.
        Some(_) if fixed.language == Language::Go => Some(claim),
        Some(_) => Some(claim.with(Weight::Listens)),
        None => Some(claim),
    }
}

/// The files of code; nothing where there are so many that a server may be in any of them.
pub(super) fn files(facts: &Facts) -> Option<Vec<(PathBuf, Language)>> {
    let is_code = |path: &PathBuf| {
        let language = Language::of(path).filter(|_| !paths::is_beside(path))?;
        Some((path.clone(), language))
    };
    let files: Vec<(PathBuf, Language)> = facts.code.files.iter().filter_map(is_code).collect();
    (files.len() <= ROUTES).then_some(files)
}

fn fixed(subject: &Subject, facts: &Facts) -> Option<Fixed> {
    let mut only = None;
    for (path, language) in files(facts)? {
        let Ok(file) = inside::read(subject, &path) else { continue };
        let found = listening::of(language, &file.text);
        match (found.calls, found.fixed.as_slice()) {
            (0, _) => {}
            (1, [(port, span)]) if only.is_none() => {
                only = Some(Fixed { path, language, port: *port, span: span.clone(), file });
            }
            _ => return None,
        }
    }
    only
}

/// What the container starts, in words: by the definition, or by the Dockerfile, and what `npm start` stands for.
pub(super) fn started(
    subject: &Subject,
    main: Option<Container<'_>>,
    dockerfile: Option<&Dockerfile>,
) -> Option<Vec<String>> {
    let of_definition = || {
        let main = main?;
        let items = main.items("entryPoint").iter().chain(main.items("command"));
        let words: Vec<&str> = items.filter_map(|item| item.as_str()).collect();
        (!words.is_empty()).then(|| words.join(" "))
    };
    let of_image = || {
        let dockerfile = dockerfile?;
        let commands = [dockerfile.entrypoint(), dockerfile.cmd()];
        let words = commands.into_iter().flatten().flat_map(Command::simple).flatten();
        let words: Vec<String> = words.map(|word| word.text).collect();
        (!words.is_empty()).then(|| words.join(" "))
    };
    let command = of_definition().or_else(of_image)?;
    let script = npm_start(&command).then(|| start_script(subject)).flatten();
    let command = script.unwrap_or(command);
    Some(command.split_whitespace().map(str::to_owned).collect())
}

/// Whether a command is the script `start` of `package.json`.
pub(super) fn npm_start(command: &str) -> bool {
    let by_npm = ["npm start", "npm run start", "yarn start", "pnpm start"];
    by_npm.iter().any(|words| command.contains(words))
}

fn start_script(subject: &Subject) -> Option<String> {
    let manifest = inside::read(subject, Path::new("package.json")).ok()?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest.text).ok()?;
    Some(manifest.get("scripts")?.get("start")?.as_str()?.to_owned())
}

/// What runs a file that it is given. Servers such as `uvicorn` and `fastapi` listen themselves.
const RUN: [&str; 8] = ["node", "nodejs", "bun", "deno", "tsx", "ts-node", "python", "python3"];

/// Programs in front of the one that matters.
const IN_FRONT: [&str; 5] = ["exec", "tini", "dumb-init", "docker-entrypoint.sh", "--"];

/// Whether a command runs that file, or what a compiler makes of it, and does not name the port itself.
fn runs(command: &[String], fixed: &Fixed) -> bool {
    let says_port = command
        .iter()
        .any(|word| word.contains("port") || word.contains("bind") || matches!(&**word, "-p" | "-b"));
    fixed.language == Language::Go || (is_run(command, &fixed.path) && !says_port)
}

/// Whether a command runs that file by its interpreter, or what a compiler makes of it.
pub(super) fn is_run(command: &[String], path: &Path) -> bool {
    let stem = path.file_stem();
    let is_it = |word: &String| Path::new(word).file_stem() == stem && Path::new(word).extension().is_some();
    let program = command
        .iter()
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .find(|word| !IN_FRONT.contains(word));
    program.is_some_and(|program| RUN.contains(&program)) && command.iter().any(is_it)
}
