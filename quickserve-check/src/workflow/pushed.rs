//! The images that a pipeline pushes.

use quickserve_core::document::Span;

use crate::Text;
use crate::workflow::actions::Step;
use crate::workflow::pipelines::{Placed, Scope, Unit};
use crate::workflow::reference;
use crate::workflow::shell::{Command, Word};

/// An image that is pushed.
#[derive(Debug, Clone)]
pub(crate) struct Pushed<'a> {
    /// The file that says so.
    pub(crate) file: &'a Text,
    /// Where the reference is written.
    pub(crate) span: Span,
    /// The reference as it is written.
    pub(crate) reference: String,
    /// Its tag, with the variables whose value is written out filled in.
    pub(crate) tag: Option<String>,
    /// In one way of writing, with all filled in that is written out elsewhere.
    pub(crate) plain: String,
}

impl Pushed<'_> {
    /// Whether its tag is the same in each run.
    pub(crate) fn is_fixed(&self) -> bool {
        self.tag.as_ref().is_some_and(|tag| !tag.contains('$'))
    }
}

/// The images that a scope pushes, each time that it does.
pub(crate) fn of<'a>(scope: &Scope<'a>) -> Vec<Pushed<'a>> {
    let mut pushed = Vec::new();
    let all_commands = || scope.units.iter().flat_map(|unit| &unit.shell.commands);
    let all_tags = all_commands().any(|command| {
        command.is("docker push") && (command.flag("--all-tags").is_some() || command.flag("-a").is_some())
    });
    for unit in &scope.units {
        for command in &unit.shell.commands {
            let tagged = command.program().last().filter(|_| all_tags && command.is("docker tag"));
            let built = if all_tags && builds(command) { tags(command) } else { Vec::new() };
            let words = references(command).into_iter().chain(tagged.cloned()).chain(built);
            pushed.extend(words.map(|word| by_command(*unit, &word)));
        }
    }
    pushed.extend(scope.steps.iter().flat_map(by_action));
    pushed
}

/// Whether a command builds, tags or pushes images.
pub(crate) fn handles_images(command: &Command) -> bool {
    ["build", "buildx build", "image build", "push", "image push", "tag"]
        .iter()
        .any(|words| command.is(&format!("docker {words}")) || command.is(&format!("podman {words}")))
}

/// The references that a command pushes.
fn references(command: &Command) -> Vec<Word> {
    let is = |words: &str| command.is(&format!("docker {words}")) || command.is(&format!("podman {words}"));
    if is("push") || is("image push") {
        let last = command.program().last();
        return last
            .filter(|word| word.text.contains('/') || word.text.contains(':'))
            .cloned()
            .into_iter()
            .collect();
    }
    if builds(command) && build_pushes(command) { tags(command) } else { Vec::new() }
}

/// Whether a command builds an image.
pub(crate) fn builds(command: &Command) -> bool {
    ["build", "buildx build", "image build"]
        .iter()
        .any(|words| command.is(&format!("docker {words}")) || command.is(&format!("podman {words}")))
}

/// Whether a build pushes what it has built.
fn build_pushes(command: &Command) -> bool {
    let outputs = [command.option("--output"), command.option("-o")];
    command.flag("--push").is_some_and(|flag| !flag.text.ends_with("=false"))
        || outputs.into_iter().flatten().any(to_registry)
}

/// Docker's documentation, "Exporters overview": `type=registry` is short for `type=image,push=true`.
fn to_registry(output: &str) -> bool {
    output.contains("type=registry") || output.contains("push=true")
}

/// The references that a build gives to its image.
pub(crate) fn tags(command: &Command) -> Vec<Word> {
    let words = command.program();
    let mut tags = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if matches!(word.text.as_str(), "-t" | "--tag") {
            tags.extend(words.get(index + 1).cloned());
        } else if let Some(text) = word.text.strip_prefix("--tag=").or_else(|| word.text.strip_prefix("-t="))
        {
            tags.push(Word { text: text.to_owned(), ..word.clone() });
        }
    }
    tags
}

fn by_command<'a>(unit: Unit<'a>, word: &Word) -> Pushed<'a> {
    let mut filled = word.text.clone();
    for reference in &word.references {
        if let Some(value) = unit.value(&reference.name) {
            for written in [format!("${{{}}}", reference.name), format!("${}", reference.name)] {
                filled = filled.replace(&written, value);
            }
        }
    }
    let tag = tag(&filled).map(str::to_owned);
    let plain = reference::resolved_word(unit, unit.placed(), &word.text);
    Pushed { file: unit.file, span: word.span.clone(), reference: word.text.clone(), tag, plain }
}

/// The action that builds, and pushes where it is told to.
pub(crate) const BUILD_ACTION: &str = "docker/build-push-action";

/// Whether a step of that action pushes.
pub(crate) fn action_pushes(step: &Step) -> bool {
    step.input("push").is_some_and(|input| input.value != "false")
        || step.input("outputs").is_some_and(|input| to_registry(&input.value))
}

/// Where a step of that action is told whether it pushes, or where it would be.
pub(crate) fn told_to_push(step: &Step) -> Span {
    let told = step.input("push").or_else(|| step.input("load")).map(|input| input.span.clone());
    let told = told.or_else(|| step.uses.as_ref().map(|(_, span)| span.clone()));
    told.unwrap_or_else(|| step.span.clone())
}

/// What `docker/build-push-action` pushes.
fn by_action<'a>(placed: &Placed<'a>) -> Vec<Pushed<'a>> {
    if action_pushes(placed.step) { tags_of_action(placed) } else { Vec::new() }
}

/// The references that it gives to its image: one a line, or several with commas.
pub(crate) fn tags_of_action<'a>(placed: &Placed<'a>) -> Vec<Pushed<'a>> {
    let Placed { workflow, job, step } = *placed;
    let Some(tags) = step.input("tags").filter(|_| step.is_action(BUILD_ACTION)) else { return Vec::new() };
    let mut at = tags.span.start;
    let mut pushed = Vec::new();
    for reference in tags.value.split(['\n', ',']).map(str::trim).filter(|reference| !reference.is_empty()) {
        // Each stands in the file as it is, after the one before.
        let rest = workflow.file.text.get(at..tags.span.end).unwrap_or_default();
        let start = at + rest.find(reference).unwrap_or_default();
        at = (start + reference.len()).min(tags.span.end);
        let mut tag = tag(reference).map(str::to_owned);
        let env = step.env.iter().chain(&job.env).chain(&workflow.env);
        for input in env.filter(|input| !input.value.contains('$')) {
            let written = format!("${{{{ env.{} }}}}", input.key);
            tag = tag.map(|tag| tag.replace(&written, &input.value));
        }
        let (file, span) = (&workflow.file, start..at.max(start));
        let plain = reference::resolved(*placed, reference);
        pushed.push(Pushed { file, span, reference: reference.to_owned(), tag, plain });
    }
    pushed
}

/// The tag of a reference; none where it has a digest or no tag.
pub(crate) fn tag(reference: &str) -> Option<&str> {
    if reference.contains('@') {
        return None;
    }
    let name_start = slash(reference).map_or(0, |slash| slash + 1);
    // A `:` inside of braces is an operator.
    let mut depth = 0_usize;
    for (at, char) in reference[name_start..].char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => return Some(&reference[name_start + at + 1..]),
            _ => {}
        }
    }
    None
}

/// The last slash outside of braces.
fn slash(reference: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut last = None;
    for (at, char) in reference.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => last = Some(at),
            _ => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_what_follows_the_name() {
        assert_eq!(tag("localhost:5000/a/b:1.2"), Some("1.2"));
        assert_eq!(tag("$R/$N:${T:-x/y}"), Some("${T:-x/y}"));
        assert_eq!(tag("localhost:5000/a"), None);
        assert_eq!(tag("a@sha256:00"), None);
        assert_eq!(tag("a:${{ github.sha }}"), Some("${{ github.sha }}"));
    }
}
