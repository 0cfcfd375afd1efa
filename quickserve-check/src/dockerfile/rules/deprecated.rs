//! QS509: instructions and flags that are deprecated, each with what takes its place.

use quickserve_core::finding::{Code, Finding};

use super::{Judge, has, program, run_commands, verb};
use crate::dockerfile::image::Image;
use crate::dockerfile::instruction::{Body, Instruction, Word};

/// Programs, their deprecated words, and what takes their place. npm's config pages, npm 7 and later; bundle-config(1),
/// Bundler 2; apt-get(8).
const WORDS: [(&[&str], &str, &str); 19] = [
    (&["npm"], "--only=production", "use --omit=dev"),
    (&["npm"], "--only=prod", "use --omit=dev"),
    (&["npm"], "--only=dev", "use --include=dev"),
    (&["npm"], "--only", "use --omit=dev"),
    (&["npm"], "--also=dev", "use --include=dev"),
    (&["npm"], "--also=development", "use --include=dev"),
    (&["npm"], "--production", "use --omit=dev"),
    (&["npm"], "--no-optional", "use --omit=optional"),
    (&["npm"], "--unsafe-perm", "npm 7 and later have no need of it"),
    (&["npm"], "--cache-max", "use --prefer-online"),
    (&["npm"], "--cache-min", "use --prefer-offline"),
    (&["bundle"], "--without", "run bundle config set --local without 'development test' before"),
    (&["bundle"], "--deployment", "run bundle config set --local deployment true before"),
    (&["bundle"], "--path", "run bundle config set --local path vendor/bundle before"),
    (&["bundle"], "--no-deployment", "remove it"),
    (&["apt-get", "apt"], "--force-yes", "remove it: it installs what nobody has signed"),
    (&["pip", "pip3"], "--process-dependency-links", "list the dependency with its URL"),
    (&["docker-compose"], "--no-ansi", "use --ansi=never"),
    (&["poetry"], "--no-dev", "use --only main"),
];

pub(super) fn used(judge: &Judge<'_>) -> Vec<Finding> {
    let file = judge.file();
    let mut findings = Vec::new();
    for (name, span, _) in super::base::images(judge.dockerfile) {
        let image = Image::new(name);
        let is_early = image.tag.is_some_and(|tag| tag.contains("-ea"));
        if image.short() == "openjdk" && !is_early {
            let message = "the image openjdk is deprecated and gets no updates";
            let hint = "use eclipse-temurin, or amazoncorretto";
            findings.push(file.warning(Code::DEPRECATED, span, message).with_hint(hint));
        }
    }
    for (_, _, instruction) in judge.all() {
        match &instruction.body {
            Body::Env { pairs, legacy: true } => {
                let name = pairs.first().map_or("NAME", |pair| &pair.name);
                // The line may hold a secret: no excerpt.
                let place = file.source().place(instruction.span.start);
                let severity = quickserve_core::finding::Severity::Info;
                let finding =
                    Finding::new(Code::DEPRECATED, severity, "ENV without = is deprecated").at(place);
                findings.push(finding.with_hint(format!("write ENV {name}=value")));
            }
            Body::Copy { sources, .. } if instruction.name == "ADD" => {
                findings.extend(remote(judge, instruction, sources));
            }
            Body::Other if instruction.name == "MAINTAINER" => {
                let message = "MAINTAINER is deprecated";
                let hint = "write LABEL org.opencontainers.image.authors=\"name\"";
                findings.push(file.warning(Code::DEPRECATED, &instruction.span, message).with_hint(hint));
            }
            Body::Run { .. } => {
                for words in run_commands(instruction) {
                    findings.extend(words_of(judge, &words));
                }
            }
            _ => {}
        }
    }
    findings
}

fn words_of(judge: &Judge<'_>, words: &[Word]) -> Vec<Finding> {
    let file = judge.file();
    let program = program(words);
    let Some(first) = words.first() else { return Vec::new() };
    let mut findings = Vec::new();
    for (programs, word, hint) in WORDS {
        let verb_has_it =
            program != "npm" || matches!(verb(words), "ci" | "install" | "i" | "prune" | "update");
        if !programs.contains(&program) || !verb_has_it {
            continue;
        }
        if let Some(found) = words.iter().find(|found| found.text == word) {
            let message = format!("{program} {word} is deprecated");
            findings.push(file.warning(Code::DEPRECATED, &found.span, message).with_hint(hint));
        }
    }
    // `apt-key del` of a retired key hurts nobody.
    if program == "apt-key" && verb(words) != "del" {
        // apt-key(8) of apt 2.7.14, which Ubuntu 24.04 has: "will last be available in Debian 12 and Ubuntu 24.04".
        let message = "apt-key is deprecated, and last in Debian 12 and Ubuntu 24.04";
        let hint = "put the key into /etc/apt/keyrings, and name it with signed-by in the list";
        findings.push(file.warning(Code::DEPRECATED, &first.span, message).with_hint(hint));
    }
    if program.starts_with("python")
        && words.iter().any(|word| word.text == "setup.py")
        && has(words, "install")
    {
        let message = "setup.py install is deprecated";
        findings.push(file.warning(Code::DEPRECATED, &first.span, message).with_hint("use pip install ."));
    }
    findings
}

/// `ADD` of what can be another file tomorrow.
fn remote(judge: &Judge<'_>, instruction: &Instruction, sources: &[Word]) -> Option<Finding> {
    let source = sources.iter().find(|source| {
        let text = &source.text;
        let is_url = text.starts_with("http://") || text.starts_with("https://");
        is_url && text.split(['#', '?']).next().and_then(|url| url.rsplit('.').next()) != Some("git")
    })?;
    if instruction.flag("checksum").is_some() {
        return None;
    }
    let message = "ADD of a URL without a checksum takes whatever is there";
    let finding = judge.file().warning(Code::DEPRECATED, &source.span, message);
    Some(finding.with_hint("add --checksum=sha256:… to it"))
}
