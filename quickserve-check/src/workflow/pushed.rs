//! The images that a pipeline pushes.

use quickserve_core::document::Span;

use crate::Text;
use crate::workflow::actions::{Job, Step, Workflow};
use crate::workflow::pipelines::{Scope, Unit};
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
            let words = references(command).into_iter().chain(tagged);
            pushed.extend(words.map(|word| by_command(*unit, word)));
        }
    }
    if let Some(workflow) = scope.workflow {
        for job in &workflow.jobs {
            pushed.extend(job.steps.iter().flat_map(|step| by_action(workflow, job, step)));
        }
    }
    pushed
}

/// Whether a command builds, tags or pushes images.
pub(crate) fn handles_images(command: &Command) -> bool {
    ["build", "buildx build", "image build", "push", "image push", "tag"]
        .iter()
        .any(|words| command.is(&format!("docker {words}")) || command.is(&format!("podman {words}")))
}

/// The references that a command pushes.
fn references(command: &Command) -> Vec<&Word> {
    let is = |words: &str| command.is(&format!("docker {words}")) || command.is(&format!("podman {words}"));
    if is("push") || is("image push") {
        return command
            .program()
            .last()
            .filter(|word| word.text.contains('/') || word.text.contains(':'))
            .into_iter()
            .collect();
    }
    if (is("build") || is("buildx build") || is("image build")) && command.flag("--push").is_some() {
        let words = command.program();
        let follows = |option: &Word| matches!(option.text.as_str(), "-t" | "--tag");
        return words.windows(2).filter(|pair| follows(&pair[0])).map(|pair| &pair[1]).collect();
    }
    Vec::new()
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
    Pushed { file: unit.file, span: word.span.clone(), reference: word.text.clone(), tag }
}

/// What `docker/build-push-action` pushes: one reference a line, or several with commas.
fn by_action<'a>(workflow: &'a Workflow, job: &Job, step: &Step) -> Vec<Pushed<'a>> {
    let pushes = step.input("push").is_some_and(|input| input.value != "false")
        || step.input("outputs").is_some_and(|input| input.value.contains("type=registry"));
    let Some(tags) = step.input("tags").filter(|_| pushes && step.is_action("docker/build-push-action"))
    else {
        return Vec::new();
    };
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
        pushed.push(Pushed { file, span, reference: reference.to_owned(), tag });
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
