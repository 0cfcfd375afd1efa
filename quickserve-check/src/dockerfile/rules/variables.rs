//! QS106 and QS124: secrets, and settings of one environment, that are fixed in the image.

use std::collections::BTreeSet;

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding, Severity};

use super::{Judge, run_texts};
use crate::dockerfile::instruction::{Body, Instruction, Pair, unquoted};
use crate::dockerfile::lines::Joined;
use crate::dockerfile::secrecy::{has_password, is_filled_in, is_guessed, is_kept, is_key};
use crate::placeholder::awaits_person;
use crate::secrets::{self, is_secret_name, is_secret_under};

/// A finding without its line, which holds the secret.
fn unseen(judge: &Judge<'_>, severity: Severity, span: &Span, message: String) -> Finding {
    Finding::new(Code::PLAIN_SECRET, severity, message).at(judge.file().source().place(span.start))
}

const RUN_TIME: &str = "give it to the task as a secret; whoever has the image has this one";
const BUILD_TIME: &str = "use RUN --mount=type=secret,id=name, which leaves no trace in the image";

/// A secret as a value of `ENV`, or as the default of an `ARG`.
pub(super) fn plain_secrets(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut look = |keyword: &str, pair: &Pair| {
        let Some(value) = pair.value.as_deref().map(unquoted) else { return };
        let name = &pair.name;
        let is_named = is_secret_under(name, &value);
        let severity = if is_named && is_kept(&value) || is_key(&value) || has_password(&value) {
            Severity::Error
        } else if is_named && is_guessed(&value) {
            Severity::Warning
        } else {
            return;
        };
        let what = if severity == Severity::Error {
            "holds a secret"
        } else {
            "is a password that everybody guesses"
        };
        let hint = if keyword == "ENV" { RUN_TIME } else { BUILD_TIME };
        let message = format!("{keyword} {name} {what}");
        findings.push(unseen(judge, severity, &pair.span, message).with_hint(hint));
    };
    for (_, _, instruction) in judge.all() {
        match &instruction.body {
            Body::Env { pairs, .. } => pairs.iter().for_each(|pair| look("ENV", pair)),
            Body::Arg(pairs) => pairs.iter().for_each(|pair| look("ARG", pair)),
            _ => {}
        }
    }
    findings.extend(judge.all().flat_map(|(_, _, instruction)| in_commands(judge, instruction)));
    findings
}

/// A secret in the text of a command.
fn in_commands(judge: &Judge<'_>, instruction: &Instruction) -> Vec<Finding> {
    let texts = run_texts(instruction).into_iter();
    let found =
        texts.flat_map(|text| secrets::find(text.as_str()).into_iter().map(move |found| (text, found)));
    let finding = |(text, found): (&Joined, secrets::Found)| {
        let severity = if found.certain { Severity::Error } else { Severity::Warning };
        let message = format!("{} stands in a command of the image", found.rule);
        unseen(judge, severity, &text.span(&found.span), message).with_hint(BUILD_TIME)
    };
    found.map(finding).collect()
}

/// A secret that comes with the build and stays in the image's history, or in its variables.
pub(super) fn secret_arguments(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let last: BTreeSet<usize> = judge.dockerfile.final_indices().into_iter().collect();
    for (stage, content) in judge.dockerfile.stages.iter().enumerate() {
        let mut arguments: Vec<&Pair> = Vec::new();
        let mut kept = BTreeSet::new();
        for instruction in &content.instructions {
            match &instruction.body {
                Body::Arg(pairs) => {
                    arguments.extend(pairs.iter().filter(|pair| {
                        is_secret_name(&pair.name) && pair.value.as_deref().is_none_or(is_filled_in)
                    }));
                }
                Body::Env { pairs, .. } => {
                    for argument in &arguments {
                        let uses = |pair: &&Pair| {
                            pair.value.as_deref().is_some_and(|value| names(value, &argument.name))
                        };
                        if let Some(pair) = pairs.iter().find(uses)
                            && kept.insert(&argument.name)
                        {
                            let message = format!(
                                "ENV {} keeps the build argument {} in the image",
                                pair.name, argument.name
                            );
                            let finding = unseen(judge, Severity::Warning, &pair.span, message);
                            findings.push(finding.with_hint(BUILD_TIME));
                        }
                    }
                }
                Body::Run { .. } => {
                    for argument in &arguments {
                        // A RUN has every argument in its environment, named or not; named it is meant.
                        let uses =
                            run_texts(instruction).iter().any(|text| names(text.as_str(), &argument.name));
                        if uses && kept.insert(&argument.name) {
                            let whose = if last.contains(&stage) { "the image's" } else { "the build's" };
                            let message = format!(
                                "the build argument {} stays readable in {whose} history",
                                argument.name
                            );
                            let finding = unseen(judge, Severity::Warning, &argument.span, message);
                            findings.push(finding.with_hint(BUILD_TIME));
                        }
                    }
                }
                _ => {}
            }
        }
    }
    findings
}

/// Whether a text has `$NAME` or `${NAME`.
fn names(text: &str, name: &str) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = &text[at + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_'))
    })
}

/// A setting that differs between environments, in the variables of the image.
pub(super) fn baked(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let used: Vec<_> = judge.dockerfile.instructions().flat_map(run_texts).collect();
    for variable in judge.dockerfile.variables() {
        let (name, value) = (variable.name, &*variable.value);
        let is_used_by_the_build = used.iter().any(|text| names(text.as_str(), name));
        if is_used_by_the_build || !is_setting(name) || !points_elsewhere(name, value) {
            continue;
        }
        let message = format!("{name} is fixed in the image, and differs between environments");
        // Such a value may hold a password: no excerpt.
        let place = judge.file().source().place(variable.span.start);
        let finding = Finding::new(Code::BAKED_VARIABLE, Severity::Warning, message).at(place);
        findings.push(finding.with_hint("take it out of the Dockerfile and set it in each environment"));
    }
    findings
}

fn is_setting(name: &str) -> bool {
    const OF_BUILDS: [&str; 16] = [
        "DOWNLOAD", "MIRROR", "INDEX", "REGISTRY", "PROXY", "REPO", "SOURCE", "HOMEPAGE", "DOCS", "RELEASE",
        "JAVA", "GOPROXY", "CDN", "SCHEMA", "LICENSE", "VCS",
    ];
    const ENDS: [&str; 10] = [
        "_URL",
        "_URI",
        "_HOST",
        "_HOSTNAME",
        "_ENDPOINT",
        "_DSN",
        "_SERVER",
        "_ADDR",
        "_ADDRESS",
        "_BROKERS",
    ];
    let is_of_build = name.split('_').any(|word| OF_BUILDS.contains(&word));
    ENDS.iter().any(|end| name.ends_with(end)) && !is_of_build
}

/// Whether a value names a host that is not this container.
fn points_elsewhere(name: &str, value: &str) -> bool {
    let authority = match value.split_once("://") {
        Some(("file" | "sqlite" | "unix" | "jdbc:sqlite" | "sqlite3", _)) => {
            return false;
        }
        Some((_, rest)) => rest.split(['/', '?']).next().unwrap_or_default(),
        None => value,
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let is_here =
        matches!(host, "" | "localhost" | "0.0.0.0" | "127.0.0.1" | "*" | "[" | "host.docker.internal")
            || value.starts_with(['/', '$', '[', ':'])
            || awaits_person(value)
            || value.contains('$')
            || value.contains("example");
    let is_host = host.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_'));
    let is_server =
        name.ends_with("_HOST") || name.ends_with("_SERVER") || value.contains("://") || host.contains('.');
    !is_here && is_host && is_server && !matches!(value, "true" | "false" | "0" | "1")
}
