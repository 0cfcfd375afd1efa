//! QS506: secrets, or too much, in what is copied into the image.

use quickserve_core::finding::{Code, Finding, Severity};

use super::Judge;
use crate::Text;
use crate::dockerfile::context::Sensitive;
use crate::dockerfile::handed;
use crate::dockerfile::ignore::{Ignore, clean, glob};
use crate::dockerfile::instruction::{Body, Instruction, Word};

/// Every `COPY` from the context, and whether it becomes a part of the final image.
fn copies<'a>(judge: &Judge<'a>) -> Vec<(&'a Instruction, &'a [Word], bool)> {
    let all = judge.all().filter_map(|(_, is_final, instruction)| match &instruction.body {
        Body::Copy { sources, .. } if instruction.flag("from").is_none() => {
            Some((instruction, &**sources, is_final))
        }
        _ => None,
    });
    all.collect()
}

/// Whether a `COPY` takes that path with it, its `.dockerignore` aside.
fn takes(instruction: &Instruction, sources: &[Word], path: &str) -> bool {
    let excludes = instruction.flags.iter().filter(|flag| flag.name == "exclude");
    let patterns: Vec<&str> = excludes.map(|flag| &*flag.value).collect();
    let exclude = Ignore::new(Text::new("", patterns.join("\n")), &mut Vec::new());
    let takes = sources.iter().any(|source| {
        let source = clean(&source.text);
        let mut ancestors = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]);
        source == "." || glob(&source).is_some_and(|source| ancestors.any(|path| source.is_match(path)))
    });
    takes && !exclude.excludes(path)
}

/// Files with secrets that `COPY` takes along.
pub(super) fn secrets(judge: &Judge<'_>) -> Vec<Finding> {
    let copies = copies(judge);
    let mut findings = Vec::new();
    for file in judge.context.sensitive.iter().filter(|file| !judge.context.excludes(&file.path)) {
        let taking =
            copies.iter().filter(|(instruction, sources, _)| takes(instruction, sources, &file.path));
        // One that ends in the image weighs most.
        let Some((instruction, _, is_final)) = taking.max_by_key(|(_, _, is_final)| *is_final) else {
            continue;
        };
        let path = &file.path;
        let taken = |instruction: &Instruction, sources: &[Word]| takes(instruction, sources, path);
        if !*is_final && let Some(handed) = handed::on(judge.dockerfile, judge.context, path, &taken) {
            findings.push(handed_on(judge, handed, file));
            continue;
        }
        let into = if *is_final { "the image" } else { "a layer of the build" };
        let message = format!("{path} is copied into {into}, and nothing keeps it out");
        let hint = format!("add {path} to .dockerignore; give it to a build with RUN --mount=type=secret");
        let mut finding =
            judge.file().error(Code::CONTEXT_SECRET, &instruction.span, message).with_hint(hint);
        if !(*is_final && file.is_certain) {
            finding.severity = Severity::Warning;
        }
        findings.push(finding);
    }
    findings
}

/// A file with secrets that a stage hands on to the image.
fn handed_on(judge: &Judge<'_>, instruction: &Instruction, file: &Sensitive) -> Finding {
    let path = &file.path;
    let stage = instruction.flag("from").unwrap_or_default();
    let message =
        format!("{path} is copied into the image by way of the stage {stage}, and nothing keeps it out");
    let hint = format!("add {path} to .dockerignore, and copy from the stage what is to run alone");
    let mut finding = judge.file().error(Code::CONTEXT_SECRET, &instruction.span, message).with_hint(hint);
    if !file.is_certain {
        finding.severity = Severity::Warning;
    }
    finding
}

/// All of `.git` and of installed dependencies, where the whole folder is copied.
pub(super) fn ballast(judge: &Judge<'_>) -> Vec<Finding> {
    let context = judge.context;
    let copies = copies(judge);
    let whole = copies.iter().find(|(instruction, sources, _)| {
        sources.iter().any(|source| clean(&source.text) == ".") && takes(instruction, sources, "x/.git/x")
    });
    let Some((instruction, sources, _)) = whole else { return Vec::new() };
    if context.ignore.is_none() {
        let there = [".git", "node_modules", ".env"];
        let there: Vec<&str> =
            there.into_iter().filter(|name| context.entries.iter().any(|entry| entry == name)).collect();
        let what = match *there {
            [] => String::new(),
            [only] => format!(": {only} goes with it"),
            [ref most @ .., last] => format!(": {} and {last} go with it", most.join(", ")),
        };
        let message = format!("the whole folder is copied and there is no .dockerignore{what}");
        let hint = "write a .dockerignore with .git, node_modules, .env* and *.pem";
        return vec![judge.file().warning(Code::CONTEXT_SECRET, &instruction.span, message).with_hint(hint)];
    }
    let mut sent = Vec::new();
    for (name, why) in [(".git", "the whole history"), ("node_modules", "what this machine has installed")] {
        let at = context.entries.iter().find(|entry| entry.rsplit('/').next() == Some(name));
        // An ignored folder may have parts brought back: a file in it decides.
        let is_sent = |path: &&String| {
            !context.excludes(path)
                && !context.excludes(&format!("{path}/any"))
                && takes(instruction, sources, path)
        };
        if let Some(path) = at.filter(is_sent) {
            let message = format!("{path} is copied into the image: {why}");
            let hint = format!("add {path} to .dockerignore");
            sent.push(judge.file().warning(Code::CONTEXT_SECRET, &instruction.span, message).with_hint(hint));
        }
    }
    sent
}
