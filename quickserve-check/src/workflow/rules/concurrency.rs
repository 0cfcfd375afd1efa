//! QS811: two runs that deploy at the same time.

use quickserve_core::finding::{Code, Finding};

use crate::workflow::Pipelines;

pub(super) fn check(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    // One that is only called runs under the group of its caller.
    for workflow in pipelines.workflows.iter().filter(|workflow| !workflow.is_only_called()) {
        if workflow.concurrency.is_some() {
            continue;
        }
        for job in &workflow.jobs {
            if job.concurrency.is_none() && pipelines.job_deploys(workflow, job) {
                let message = format!("two runs of job {} can deploy at the same time", job.id);
                let finding = workflow.file.warning(Code::NO_CONCURRENCY, &job.span, message);
                let hint = "add `concurrency: { group: deploy-production, cancel-in-progress: false }`; a deployment \
                            that is cancelled halfway is worse than one that waits";
                findings.push(finding.with_hint(hint));
            }
        }
    }
    findings
}
