//! QS802 with the actions of AWS: whether what was built is in the task definition that is deployed.
//!
//! `amazon-ecs-render-task-definition` writes a new file with the image in it and leaves the old one as it is;
//! `amazon-ecs-deploy-task-definition` deploys the file that it is given.

use quickserve_core::finding::{Code, Finding, Severity};

use super::images::is_filled;
use crate::workflow::Pipelines;
use crate::workflow::actions::{Input, Job, Step, Workflow};
use crate::workflow::programs::{DEPLOY_ACTIONS, RENDER_ACTION};
use crate::workflow::pushed::{self, Pushed};
use crate::workflow::scripts::normal;

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for scope in pipelines.scopes() {
        let Some(workflow) = scope.workflow else { continue };
        let pushed = pushed::of(&scope);
        let Some(built) = pushed.iter().find(|image| is_of_this_run(image)) else { continue };
        for job in &workflow.jobs {
            for step in &job.steps {
                let unrendered = unrendered(pipelines, workflow, job, step, built);
                let other = || another_image(workflow, job, step, built);
                // Where the tag of the definition is pushed as well, the new image may have it.
                findings.extend(unrendered.or_else(other).map(|(image, mut finding)| {
                    let named = pushed::tag(&image).unwrap_or("latest");
                    let is_other = |other: &Pushed<'_>| other.tag.as_deref().is_some_and(|tag| tag != named);
                    if !pushed.iter().all(is_other) {
                        finding.severity = Severity::Warning;
                    }
                    finding
                }));
            }
        }
    }
    findings
}

/// Whether an image gets another reference in each run.
fn is_of_this_run(image: &Pushed<'_>) -> bool {
    image.reference.contains('$') && !image.is_fixed()
}

/// A definition that is deployed as it is in the repository, with the image that it names there.
fn unrendered(
    pipelines: &Pipelines,
    workflow: &Workflow,
    job: &Job,
    step: &Step,
    built: &Pushed<'_>,
) -> Option<(String, Finding)> {
    let input = step.input("task-definition").filter(|_| step.is_action(DEPLOY_ACTIONS[0]))?;
    let path = normal(input.value.as_ref())?;
    let template = pipelines.templates.get(&path)?;
    let name = path.file_name()?.to_string_lossy();
    // Placeholders that nothing fills in have a finding of their own.
    if !template.placeholders.is_empty() || is_filled(pipelines, &name) {
        return None;
    }
    let image = template.images.first()?.clone();
    let message = format!("{} is deployed as it stands, and {} is not in it", input.value, built.reference);
    let rendered = job.steps.iter().find(|step| step.is_action(RENDER_ACTION));
    let hint = match rendered.and_then(|step| step.id.as_ref()) {
        Some(id) => format!("write `${{{{ steps.{id}.outputs.task-definition }}}}`"),
        None => format!("render it first with {RENDER_ACTION}, and deploy its output"),
    };
    Some((image, finding(workflow, input, message, hint)))
}

/// An image that is written out where the one that was built belongs.
fn another_image(
    workflow: &Workflow,
    job: &Job,
    step: &Step,
    built: &Pushed<'_>,
) -> Option<(String, Finding)> {
    let image = |step: &Step| {
        step.input("image").filter(|_| step.is_action(RENDER_ACTION)).map(|input| input.value.contains('$'))
    };
    // Of several, one may be for a container beside.
    if job.steps.iter().any(|other| image(other) == Some(true)) {
        return None;
    }
    let input = step.input("image").filter(|_| step.is_action(RENDER_ACTION))?;
    let message = format!("{} is deployed, and {} is what was built", input.value, built.reference);
    let hint = "give the image of the step that built it, such as `${{ steps.build.outputs.image }}`";
    Some((input.value.clone(), finding(workflow, input, message, hint.to_owned())))
}

fn finding(workflow: &Workflow, input: &Input, message: String, hint: String) -> Finding {
    workflow.file.error(Code::NOT_DEPLOYED, &input.span, message).with_hint(hint)
}
