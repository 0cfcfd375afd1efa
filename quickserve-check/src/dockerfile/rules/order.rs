//! QS504: sources are copied before dependencies are installed, so that every change installs them all again.

use quickserve_core::finding::{Code, Finding};

use super::{Judge, has, program, run_commands, shown, span_of, verb};
use crate::dockerfile::instruction::{Body, Instruction, Word};
use crate::dockerfile::stages::Base;

pub(super) fn sources_first(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let mut findings = Vec::new();
    let mut installed: Vec<bool> = Vec::new();
    for stage in &dockerfile.stages {
        // What the base of the stage has installed is there already.
        let mut has_installed = match stage.base {
            Base::Stage(base) => installed.get(base).copied().unwrap_or_default(),
            Base::Scratch | Base::Image(_) | Base::Unknown => false,
        };
        let mut copied: Option<&Instruction> = None;
        for instruction in &stage.instructions {
            match &instruction.body {
                Body::Copy { sources, .. } if instruction.flag("from").is_none() => {
                    let is_all =
                        sources.iter().any(|source| matches!(&*source.text, "." | "./" | "*" | "./*" | "/"));
                    if is_all && !has_installed {
                        copied = copied.or(Some(instruction));
                    }
                }
                Body::Run { .. } => {
                    let Some(install) = run_commands(instruction).into_iter().find(|words| is_install(words))
                    else {
                        continue;
                    };
                    let is_cached = instruction
                        .flags
                        .iter()
                        .any(|flag| flag.name == "mount" && flag.value.contains("type=cache"));
                    if let Some(copy) = copied.filter(|_| !has_installed && !is_cached) {
                        findings.push(finding(judge, copy, &install));
                    }
                    has_installed = true;
                }
                _ => {}
            }
        }
        installed.push(has_installed);
    }
    findings
}

fn finding(judge: &Judge<'_>, copy: &Instruction, install: &[Word]) -> Finding {
    let line = judge.file().source().place(span_of(install).start).line;
    let message = format!(
        "all sources are copied before `{}` (line {line}): every change installs all dependencies again",
        shown(install)
    );
    let hint = format!("copy {} first, install, then copy the rest", manifest(install));
    let mut finding = judge.file().warning(Code::COPY_ORDER, &copy.span, message).with_hint(hint);
    if is_compile(install) {
        // The compiler needs the sources; only its dependencies could be fetched before.
        finding.severity = quickserve_core::finding::Severity::Info;
    }
    finding
}

/// Whether a command fetches all dependencies that a file of the project lists.
fn is_install(words: &[Word]) -> bool {
    let verb = verb(words);
    let arguments = || words.iter().skip(1).filter(|word| !word.text.starts_with('-') && word.text != verb);
    match program(words) {
        "npm" => {
            verb == "ci" || matches!(verb, "install" | "i") && !has(words, "-g") && arguments().count() == 0
        }
        "yarn" => verb.is_empty() && !has(words, "--version") || verb == "install",
        "pnpm" => matches!(verb, "install" | "i" | "fetch") && !has(words, "-g"),
        "bun" => matches!(verb, "install" | "i") && arguments().count() == 0,
        "pip" | "pip3" => {
            verb == "install"
                && words.iter().any(|word| word.text.starts_with("-r") || word.text == "--requirement")
        }
        "python" | "python3" => has(words, "pip") && has(words, "install") && has(words, "-r"),
        "pipenv" | "poetry" | "bundle" | "composer" => verb == "install",
        "uv" => verb == "sync",
        "go" => {
            verb == "mod" && has(words, "download")
                || verb == "build"
                || verb == "install" && has(words, "./...")
        }
        "cargo" => {
            matches!(verb, "build" | "fetch")
                || verb == "chef" && has(words, "cook")
                || verb == "install" && has(words, "--path")
        }
        "mvn" | "mvnw" => words.len() > 1 && !has(words, "--version"),
        "gradle" | "gradlew" => words.len() > 1,
        "dotnet" => matches!(verb, "restore" | "build" | "publish"),
        "mix" => verb == "deps.get",
        _ => false,
    }
}

fn is_compile(words: &[Word]) -> bool {
    matches!(program(words), "mvn" | "mvnw" | "gradle" | "gradlew" | "cargo")
        || matches!(program(words), "go" | "dotnet") && matches!(verb(words), "build" | "publish" | "install")
}

fn manifest(words: &[Word]) -> &'static str {
    match program(words) {
        "npm" => "package*.json",
        "yarn" => "package.json and yarn.lock",
        "pnpm" => "package.json and pnpm-lock.yaml",
        "bun" => "package.json and bun.lock",
        "pipenv" => "Pipfile and Pipfile.lock",
        "poetry" => "pyproject.toml and poetry.lock",
        "uv" => "pyproject.toml and uv.lock",
        "pip" | "pip3" | "python" | "python3" => "requirements.txt",
        "bundle" => "Gemfile and Gemfile.lock",
        "composer" => "composer.json and composer.lock",
        "go" => "go.mod and go.sum",
        "cargo" => "Cargo.toml and Cargo.lock",
        "mvn" | "mvnw" => "pom.xml",
        "gradle" | "gradlew" => "the build files of Gradle",
        "dotnet" => "the project files",
        _ => "what lists the dependencies",
    }
}
