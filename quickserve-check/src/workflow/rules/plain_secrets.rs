//! QS106 in workflows: a secret in `env`, where everybody reads it who may read the repository.

use quickserve_core::finding::{Code, Finding, Severity};

use crate::placeholder::foreign;
use crate::secrets;
use crate::workflow::Pipelines;
use crate::workflow::actions::{Input, Job, Workflow};
use crate::workflow::pipelines::{Placed, Unit};
use crate::workflow::pushed::BUILD_ACTION;
use crate::workflow::pushed::handles_images;

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in &pipelines.workflows {
        let delivers = |job: &Job| delivers(pipelines, workflow, job);
        let of_all = workflow.jobs.iter().any(delivers);
        findings.extend(workflow.env.iter().filter_map(|input| finding(workflow, input, of_all)));
        for job in &workflow.jobs {
            let of_job = delivers(job);
            let inputs = job.env.iter().chain(job.steps.iter().flat_map(|step| &step.env));
            findings.extend(inputs.filter_map(|input| finding(workflow, input, of_job)));
        }
    }
    findings
}

/// Whether a job makes or deploys what people use. The password of a database that only tests see is none.
fn delivers(pipelines: &Pipelines, workflow: &Workflow, job: &Job) -> bool {
    let steps = job.steps.iter().flat_map(|step| pipelines.steps_of(Placed { workflow, job, step }));
    pipelines.job_deploys(workflow, job)
        || steps.into_iter().any(|placed| {
            let commands = Unit::of_step_commands(placed.step);
            placed.step.is_action(BUILD_ACTION) || commands.iter().any(handles_images)
        })
}

fn finding(workflow: &Workflow, input: &Input, delivers: bool) -> Option<Finding> {
    let Input { key, value, .. } = input;
    let is_written = !value.contains("${") && !value.contains("$(") && foreign(value).is_none();
    if !is_written || is_on_this_machine(value) || !secrets::looks_secret(key, value) {
        return None;
    }
    // A token of a known shape is one wherever it is; the name alone may mislead.
    let is_certain = secrets::find(value).iter().any(|found| found.certain);
    if !is_certain && !delivers {
        return None;
    }
    let severity = if is_certain { Severity::Error } else { Severity::Warning };
    let message = format!("{key} is a secret in plain sight");
    let hint = format!(
        "keep it in the secrets of the repository, write ${{{{ secrets.{key} }}}}, and replace what was seen"
    );
    // No excerpt: it would show the value.
    let place = workflow.file.source().place(input.span.start);
    Some(Finding::new(Code::PLAIN_SECRET, severity, message).at(place).with_hint(hint))
}

/// Whether it is the address of something that runs beside the job only.
fn is_on_this_machine(value: &str) -> bool {
    ["@localhost", "@127.0.0.1", "@postgres:", "@mysql:", "@redis:", "@db:"]
        .iter()
        .any(|host| value.contains(host))
}
