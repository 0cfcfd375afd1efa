//! QS819: a step that lacks what it needs: a permission, a region, the files of the repository, an image in a registry.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding, Severity};

use crate::workflow::Pipelines;
use crate::workflow::actions::{Input, Job, Step, Workflow};
use crate::workflow::exported::{CREDENTIALS, Exported, exported};
use crate::workflow::pipelines::Unit;
use crate::workflow::programs::RENDER_ACTION;
use crate::workflow::pushed;
use crate::workflow::shell::Command;

const BUILD: &str = "docker/build-push-action";

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in &pipelines.workflows {
        for job in &workflow.jobs {
            for (index, step) in job.steps.iter().enumerate() {
                let earlier = &job.steps[..index];
                if step.is_action(CREDENTIALS) {
                    findings.extend(token(workflow, job, step, earlier));
                    findings.extend(region(pipelines, workflow, job, step, earlier));
                }
                findings.extend(checkout(workflow, job, step, earlier));
                findings.extend(push(pipelines, workflow, step, earlier));
            }
        }
    }
    findings
}

fn lacks(workflow: &Workflow, span: &Span, message: String, hint: &str) -> Finding {
    workflow.file.error(Code::LACKING_STEP, span, message).with_hint(hint)
}

fn name(step: &Step) -> &Span {
    step.uses.as_ref().map_or(&step.span, |(_, span)| span)
}

/// A role by OIDC, without the permission to ask GitHub for a token. GitHub's documentation of OIDC in AWS: no default has `id-token: write`.
fn token(workflow: &Workflow, job: &Job, step: &Step, earlier: &[Step]) -> Option<Finding> {
    let role = step.input("role-to-assume")?;
    let has_other =
        ["aws-access-key-id", "web-identity-token-file"].iter().any(|key| step.input(key).is_some())
            || step.input("role-chaining").is_some_and(|input| input.value != "false")
            || earlier.iter().any(|step| step.is_action(CREDENTIALS))
            || has_variable(workflow, job, step, &["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"]);
    let is_hosted = !job.runs_on.is_empty()
        && job.runs_on.iter().all(|(label, _)| {
            ["ubuntu-", "windows-", "macos-"].iter().any(|system| label.starts_with(system))
        });
    let may = job.id_token.or(workflow.id_token).unwrap_or(false);
    // A workflow that others call has the permissions of theirs where it says none.
    let is_called = workflow.on.iter().any(|event| event == "workflow_call")
        && job.permissions.is_none()
        && workflow.permissions.is_none();
    if may || has_other || !is_hosted || is_called {
        return None;
    }
    let message = format!("job {} may not ask for the token by which it assumes the role", job.id);
    let hint = "add `permissions: { id-token: write, contents: read }` to the job";
    Some(lacks(workflow, &role.key_span, message, hint))
}

fn has_variable(workflow: &Workflow, job: &Job, step: &Step, names: &[&str]) -> bool {
    let is_one = |input: &Input| names.contains(&input.key.as_str());
    step.env.iter().chain(&job.env).chain(&workflow.env).any(is_one)
}

/// The action asks for a region whatever it does; that of a step before it will do.
fn region(
    pipelines: &Pipelines,
    workflow: &Workflow,
    job: &Job,
    step: &Step,
    earlier: &[Step],
) -> Option<Finding> {
    let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    if step.input("aws-region").is_some() || has_variable(workflow, job, step, &names) {
        return None;
    }
    let message = "the action is given no aws-region, and ends".to_owned();
    let mut finding = lacks(workflow, name(step), message, "add `aws-region`, such as us-east-1");
    match names.iter().map(|name| exported(pipelines, workflow, job, earlier, name)).max()? {
        Exported::Yes => return None,
        Exported::Perhaps => finding.severity = Severity::Warning,
        Exported::No => {}
    }
    Some(finding)
}

/// A build of files that nobody has put there.
fn checkout(workflow: &Workflow, job: &Job, step: &Step, earlier: &[Step]) -> Option<Finding> {
    let span = builds_here(step)?;
    let is_plain = |step: &Step| {
        let harmless = ["docker/", "aws-actions/", "actions/setup-"];
        let action = step.uses.as_ref().map_or("docker/", |(uses, _)| uses.as_str());
        let brings = |command: &Command| {
            !matches!(command.name(), "docker" | "aws" | "echo" | "export" | "")
                || command.redirects.iter().any(|redirect| !redirect.target.text.contains("GITHUB_"))
        };
        harmless.iter().any(|owner| action.starts_with(owner))
            && !Unit::of_step_commands(step).iter().any(brings)
    };
    let is_hosted = job.runs_on.iter().any(|(label, _)| label.starts_with("ubuntu-"));
    if !is_hosted || !earlier.iter().chain([step]).all(is_plain) {
        return None;
    }
    let message = format!("job {} has no file of the repository to build from", job.id);
    Some(lacks(workflow, &span, message, "let `actions/checkout` be its first step"))
}

/// Where a step builds an image from the folder that it runs in.
fn builds_here(step: &Step) -> Option<Span> {
    let is_here = |path: &str| path == "." || path.starts_with("./");
    if step.is_action(BUILD) {
        // Without a context the action takes the repository from GitHub.
        return step.input("context").filter(|input| is_here(&input.value)).map(|input| input.span.clone());
    }
    let is_build = |command: &&Command| {
        ["build", "buildx build", "image build"].iter().any(|words| command.is(&format!("docker {words}")))
            && command.program().last().is_some_and(|word| is_here(&word.text))
    };
    Unit::of_step_commands(step).iter().find(is_build).map(|command| command.span.clone())
}

/// An image that is deployed from a registry which it never came to.
fn push(pipelines: &Pipelines, workflow: &Workflow, step: &Step, earlier: &[Step]) -> Option<Finding> {
    let image = step.input("image").filter(|_| step.is_action(RENDER_ACTION))?;
    let id = image.value.split("steps.").nth(1)?.split('.').next()?;
    let built = earlier.iter().find(|step| step.id.as_deref() == Some(id))?;
    let span = builds(built)?;
    let pushes = |step: &Step| {
        let by_action =
            step.uses.as_ref().is_some_and(|(uses, _)| uses.contains("push") && !step.is_action(BUILD))
                || pushed::action_pushes(step);
        let by_command = Unit::of_step_commands(step).iter().any(|command| {
            let may = !matches!(command.name(), "docker" | "echo" | "aws" | "export" | "");
            may || command.words.iter().any(|word| word.text.contains("push"))
        });
        by_action || by_command
    };
    let all = workflow.jobs.iter().flat_map(|job| &job.steps);
    if all.into_iter().any(pushes) || workflow.jobs.iter().any(|job| job.uses.is_some()) {
        return None;
    }
    let mut finding = lacks(
        workflow,
        &span,
        "this image is deployed, and nothing pushes it".to_owned(),
        "push it, with `docker push` or with `push: true`",
    );
    // A script may do it.
    if !pipelines.scripts.is_empty() {
        finding.severity = Severity::Warning;
    }
    Some(finding)
}

/// Where a step builds an image.
fn builds(step: &Step) -> Option<Span> {
    if step.is_action(BUILD) {
        return Some(pushed::told_to_push(step));
    }
    let is_build = |command: &&Command| command.is("docker build") || command.is("docker buildx build");
    Unit::of_step_commands(step).iter().find(is_build).map(|command| command.span.clone())
}
