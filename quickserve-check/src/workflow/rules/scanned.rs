//! QS305 in pipelines: an image is scanned, or tested, under one tag, and another one is pushed.
//!
//! Sources: `trivy image` and aquasecurity/trivy-action (`image-ref`), `grype` and anchore/scan-action (`image`),
//! `docker scout` and docker/scout-action (`image`), `snyk container test`.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use crate::Text;
use crate::workflow::Pipelines;
use crate::workflow::actions::{Job, Step, Workflow};
use crate::workflow::pipelines::{Placed, Scope, Unit};
use crate::workflow::pushed::{self, handles_images};
use crate::workflow::reference::{last, repository, written_one_way};
use crate::workflow::shell::{Command, Word};

/// Actions that scan an image, and the input that names it.
const ACTIONS: [(&str, &str); 3] = [
    ("aquasecurity/trivy-action", "image-ref"),
    ("anchore/scan-action", "image"),
    ("docker/scout-action", "image"),
];

/// Commands that scan an image.
const SCANS: [&str; 5] =
    ["trivy image", "grype", "docker scout cves", "docker scout quickview", "snyk container test"];

/// An image that a pipeline looks into.
struct Looked<'a> {
    file: &'a Text,
    span: Span,
    reference: String,
    verb: &'static str,
    /// The reference in one way of writing.
    plain: String,
}

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for scope in pipelines.scopes() {
        let pushed: Vec<(String, String)> =
            pushed::of(&scope).into_iter().map(|image| (plain_of_pushed(&image), image.reference)).collect();
        if pushed.is_empty() {
            continue;
        }
        let same = same(&scope);
        for looked in looked(&scope, &pushed) {
            let is_pushed = |plain: &String| pushed.iter().any(|(pushed, _)| pushed == plain);
            let names = same.iter().filter(|names| names.contains(&looked.plain)).flatten();
            // One that is named by its digest is that image, whatever else is pushed.
            if !names.chain([&looked.plain]).any(is_pushed) && !looked.plain.contains('@') {
                findings.extend(finding(&looked, &pushed));
            }
        }
    }
    findings
}

/// A warning where another tag of the same repository is pushed; where the repository is another and the name the same,
/// an image may have been built twice.
fn finding(looked: &Looked<'_>, pushed: &[(String, String)]) -> Option<Finding> {
    let Looked { file, span, reference, verb, plain } = looked;
    let hint = "look into what is pushed: build once, and push the image that was scanned under another tag (`docker tag`)";
    if let Some((_, other)) = pushed.iter().find(|(other, _)| repository(other) == repository(plain)) {
        let message = format!("{reference} is {verb}, and {other} is pushed: it need not be the same image");
        return Some(file.warning(Code::NOT_THE_SCANNED, span, message).with_hint(hint));
    }
    let (_, other) = pushed.iter().find(|(other, _)| last(other) == last(plain))?;
    let message =
        format!("{reference} is {verb}, and {other} is pushed, which may have been built a second time");
    Some(file.info(Code::NOT_THE_SCANNED, span, message).with_hint(hint))
}

/// The images that a scope scans, or runs tests in.
fn looked<'a>(scope: &Scope<'a>, pushed: &[(String, String)]) -> Vec<Looked<'a>> {
    let mut looked = Vec::new();
    for unit in &scope.units {
        for command in &unit.shell.commands {
            let Some(verb) = verb(command) else { continue };
            // The image is the word that names one of those that are pushed, whatever options stand before it.
            let is_image = |word: &&Word| {
                let plain = plain(&word.text, unit);
                !word.text.starts_with('-') && pushed.iter().any(|(other, _)| last(other) == last(&plain))
            };
            looked.extend(command.program().iter().skip(1).find(is_image).map(|word| Looked {
                file: unit.file,
                span: word.span.clone(),
                reference: word.text.clone(),
                verb,
                plain: plain(&word.text, unit),
            }));
        }
    }
    let of_step = |placed: &Placed<'a>| by_action(placed.workflow, placed.job, placed.step);
    looked.extend(scope.steps.iter().filter_map(of_step));
    looked
}

fn verb(command: &Command) -> Option<&'static str> {
    if SCANS.iter().any(|words| command.is(words)) {
        return Some("scanned");
    }
    let runs = command.is("docker run") || command.is("podman run");
    let tests = |word: &Word| word.text == "test" || word.text.starts_with("test:") || word.text == "pytest";
    (runs && command.program().iter().any(tests)).then_some("tested")
}

fn by_action<'a>(workflow: &'a Workflow, job: &'a Job, step: &'a Step) -> Option<Looked<'a>> {
    let (_, input) = ACTIONS.iter().find(|(action, _)| step.is_action(action))?;
    let input = step.input(input)?;
    let mut filled = input.value.clone();
    for variable in
        step.env.iter().chain(&job.env).chain(&workflow.env).filter(|env| !env.value.contains('$'))
    {
        filled = filled.replace(&format!("${{{{ env.{} }}}}", variable.key), &variable.value);
    }
    Some(Looked {
        file: &workflow.file,
        span: input.span.clone(),
        reference: input.value.clone(),
        verb: "scanned",
        plain: written_one_way(&filled),
    })
}

/// Names that are of one image: of a `docker tag`, and the tags of one build.
fn same(scope: &Scope<'_>) -> Vec<Vec<String>> {
    let mut same: Vec<Vec<String>> = Vec::new();
    for unit in &scope.units {
        for command in unit.shell.commands.iter().filter(|command| handles_images(command)) {
            let words = command.program();
            let names: Vec<String> = if command.is("docker tag") || command.is("podman tag") {
                words.iter().skip(2).map(|word| plain(&word.text, unit)).collect()
            } else {
                let is_tag = |word: &Word| matches!(word.text.as_str(), "-t" | "--tag");
                words
                    .windows(2)
                    .filter(|pair| is_tag(&pair[0]))
                    .map(|pair| plain(&pair[1].text, unit))
                    .collect()
            };
            // A name that is known makes one of both.
            let (known, mut rest): (Vec<_>, Vec<_>) =
                same.into_iter().partition(|known| known.iter().any(|name| names.contains(name)));
            rest.push(known.into_iter().flatten().chain(names).collect());
            same = rest;
        }
    }
    same
}

fn plain_of_pushed(image: &pushed::Pushed<'_>) -> String {
    let name = match pushed::tag(&image.reference) {
        Some(written) => &image.reference[..image.reference.len() - written.len() - 1],
        None => &image.reference,
    };
    match &image.tag {
        Some(tag) => written_one_way(&format!("{name}:{tag}")),
        None => written_one_way(name),
    }
}

fn plain(text: &str, unit: &Unit<'_>) -> String {
    let mut filled = text.to_owned();
    for reference in unit.shell.references() {
        if let Some(value) = unit.value(&reference.name) {
            let braced = format!("${{{}}}", reference.name);
            filled = filled.replace(&braced, value).replace(&format!("${}", reference.name), value);
        }
    }
    written_one_way(&filled)
}
