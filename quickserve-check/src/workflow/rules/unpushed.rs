//! QS819 and QS802: an image that is deployed and never pushed, and one that is deployed under another tag than was pushed.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use crate::Text;
use crate::workflow::Pipelines;
use crate::workflow::actions::Input;
use crate::workflow::pipelines::{Placed, Scope};
use crate::workflow::programs::{DEPLOY_ACTIONS, RENDER_ACTION};
use crate::workflow::pushed::{self, BUILD_ACTION, Pushed};
use crate::workflow::reference::{self, is_known, last, repository};
use crate::workflow::shell::Command;

/// An image that is built.
struct Built<'a> {
    file: &'a Text,
    span: Span,
    plain: String,
    hint: &'static str,
}

/// An image that is written into a task definition.
struct Deployed<'a> {
    placed: Placed<'a>,
    input: &'a Input,
    plain: String,
}

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for scope in pipelines.scopes() {
        let deployed = deployed(&scope);
        if deployed.is_empty() || may_push_unseen(pipelines, &scope) {
            continue;
        }
        let pushed = pushed::of(&scope);
        let built = built(&scope);
        for image in
            deployed.iter().filter(|image| !pushed.iter().any(|pushed| is_same(pushed, &image.plain)))
        {
            if let Some(built) = built.iter().find(|built| built.plain == image.plain) {
                let message = "this image is deployed, and nothing pushes it";
                let finding = built.file.error(Code::LACKING_STEP, &built.span, message);
                findings.push(finding.with_hint(built.hint));
            } else {
                findings.extend(another_tag(image, &pushed));
            }
        }
    }
    findings
}

/// Whether what is pushed may be that image: by the same text, or by the same name and tag where registries are written
/// in two ways.
fn is_same(pushed: &Pushed<'_>, plain: &str) -> bool {
    pushed.plain == plain
        || (last(&pushed.plain) == last(plain) && pushed::tag(&pushed.plain) == pushed::tag(plain))
}

/// Another tag of the image was pushed than is deployed.
fn another_tag(image: &Deployed<'_>, pushed: &[Pushed<'_>]) -> Option<Finding> {
    let is_certain = |plain: &str| pushed::tag(plain).is_some_and(is_known) && !plain.contains('@');
    let of_image: Vec<&Pushed<'_>> =
        pushed.iter().filter(|pushed| repository(&pushed.plain) == repository(&image.plain)).collect();
    // One whose tag nobody can tell may be it, and so may one whose name nobody can tell.
    let all_certain =
        pushed.iter().all(|pushed| is_certain(&pushed.plain) && !last(&pushed.plain).contains('$'));
    let other = of_image.first().filter(|_| all_certain && is_certain(&image.plain))?;
    // A tag that is written out and pushed by nobody here may have been pushed by others.
    if !image.input.value.contains('$') {
        return None;
    }
    let (deployed, pushed) = (tag_of(&image.plain), tag_of(&other.plain));
    let message =
        format!("{} is deployed under the tag {deployed}, and pushed under {pushed}", last(&image.plain));
    let hint = "deploy the reference that was pushed, best handed on by the step that pushes it";
    let finding = image.placed.workflow.file.error(Code::NOT_DEPLOYED, &image.input.span, message);
    Some(finding.with_hint(hint))
}

fn tag_of(plain: &str) -> &str {
    pushed::tag(plain).unwrap_or("latest")
}

/// The images that are rendered into task definitions, in workflows that deploy them.
fn deployed<'a>(scope: &Scope<'a>) -> Vec<Deployed<'a>> {
    let is_deployed = scope.steps.iter().any(|placed| placed.step.is_action(DEPLOY_ACTIONS[0]));
    let rendering = scope.steps.iter().filter(|placed| is_deployed && placed.step.is_action(RENDER_ACTION));
    let image = |placed: &Placed<'a>| {
        let input = placed.step.input("image")?;
        let plain = reference::resolved(*placed, &input.value);
        // An expression that leads elsewhere is no reference yet.
        (!plain.contains("${{inputs")).then_some(Deployed { placed: *placed, input, plain })
    };
    rendering.filter_map(image).collect()
}

fn built<'a>(scope: &Scope<'a>) -> Vec<Built<'a>> {
    let mut built = Vec::new();
    for unit in &scope.units {
        for command in unit.shell.commands.iter().filter(|command| pushed::builds(command)) {
            let is_buildx = command.is("docker buildx build");
            let hint = if is_buildx { "add --push to the build" } else { "push it, with `docker push`" };
            built.extend(pushed::tags(command).into_iter().map(|word| Built {
                file: unit.file,
                span: command.span.clone(),
                plain: reference::resolved_word(*unit, unit.placed(), &word.text),
                hint,
            }));
        }
    }
    for placed in scope.steps.iter().filter(|placed| placed.step.is_action(BUILD_ACTION)) {
        let span = pushed::told_to_push(placed.step);
        built.extend(pushed::tags_of_action(placed).into_iter().map(|tag| Built {
            file: &placed.workflow.file,
            span: span.clone(),
            plain: tag.plain,
            hint: "write `push: true`",
        }));
    }
    built
}

/// Whether something may push that is not read here: another workflow, a tool, an action.
fn may_push_unseen(pipelines: &Pipelines, scope: &Scope<'_>) -> bool {
    let jobs = scope.workflow.into_iter().flat_map(|workflow| &workflow.jobs);
    jobs.into_iter().any(|job| job.uses.is_some())
        || scope.steps.iter().any(|placed| acts_unseen(pipelines, *placed))
        || scope.units.iter().flat_map(|unit| &unit.shell.commands).any(runs_unseen)
}

fn acts_unseen(pipelines: &Pipelines, placed: Placed<'_>) -> bool {
    const KNOWN: [&str; 9] = [
        "actions/",
        "aws-actions/",
        "github/",
        "docker/login-action",
        "docker/setup-",
        "docker/metadata-action",
        "docker/build-push-action",
        "docker/scout-action",
        "aquasecurity/trivy-action",
    ];
    let uses = placed.step.uses.as_ref().map(|(uses, _)| uses.as_str());
    let is_read = placed.step.local_action().is_some() && pipelines.steps_of(placed).len() > 1;
    uses.is_some_and(|uses| !is_read && !KNOWN.iter().any(|known| uses.starts_with(known)))
}

fn runs_unseen(command: &Command) -> bool {
    const PLAIN: [&str; 42] = [
        "", "echo", "printf", "aws", "export", "set", "cd", "mkdir", "cp", "mv", "rm", "ls", "cat", "sed",
        "jq", "yq", "envsubst", "curl", "date", "cut", "tr", "head", "tail", "grep", "test", "[", "[[",
        "sleep", "exit", "true", "false", "read", "local", "return", "for", "git", "trivy", "grype", "pip",
        "shift", "wget", "tee",
    ];
    const OF_DOCKER: [&str; 14] = [
        "build",
        "buildx build",
        "image build",
        "push",
        "image push",
        "tag",
        "login",
        "logout",
        "run",
        "pull",
        "images",
        "inspect",
        "buildx create",
        "info",
    ];
    if command.name() == "docker" || command.name() == "podman" {
        return !OF_DOCKER.iter().any(|words| command.is(&format!("{} {words}", command.name())));
    }
    let installs = command.is("npm ci") || command.is("npm install") || command.is("yarn install");
    let pushes = command.name() == "aws" && command.words.iter().any(|word| word.text == "put-image");
    let known =
        PLAIN.contains(&command.name()) || installs || command.tests() || command.called_script().is_some();
    !known || pushes
}
