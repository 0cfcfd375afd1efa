//! QS804, QS814: what a workflow may do, and for how long what it holds is good.

use quickserve_core::finding::{Code, Finding};

use crate::workflow::Pipelines;
use crate::workflow::actions::{Input, Step};

/// Inputs that take a key which does not expire, and what to use instead.
const KEYS: [(&str, &str, &str); 3] = [
    (
        "aws-actions/configure-aws-credentials",
        "aws-access-key-id",
        "let the workflow assume a role by OIDC: `role-to-assume`, and `permissions: { id-token: write, contents: read }`",
    ),
    (
        "google-github-actions/auth",
        "credentials_json",
        "use `workload_identity_provider`, and `permissions: { id-token: write, contents: read }`",
    ),
    (
        "azure/login",
        "creds",
        "use `client-id`, `tenant-id` and `subscription-id` with OIDC, and `permissions: { id-token: write, contents: read }`",
    ),
];

pub(super) fn long_lived_keys(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in pipelines.files() {
        let found = |input: &Input, hint: &str| {
            let message = format!("{} is a key that does not expire", input.key);
            workflow.file.warning(Code::LONG_LIVED_KEYS, &input.key_span, message).with_hint(hint)
        };
        let mut environments = vec![&workflow.env];
        for job in &workflow.jobs {
            environments.push(&job.env);
            for step in &job.steps {
                environments.push(&step.env);
                findings.extend(key_of(step).map(|(input, hint)| found(input, hint)));
            }
        }
        let access_key = |input: &&Input| input.key == "AWS_ACCESS_KEY_ID" && is_secret(input);
        let in_environment = environments.into_iter().flatten().filter(access_key);
        findings.extend(in_environment.map(|input| found(input, KEYS[0].2)));
    }
    findings
}

fn key_of(step: &Step) -> Option<(&Input, &'static str)> {
    KEYS.iter().find_map(|(action, key, hint)| {
        // A session token goes with keys that do expire.
        let temporary = step.input("aws-session-token").is_some();
        let input = step.input(key).filter(|input| is_secret(input) && !temporary)?;
        step.is_action(action).then_some((input, *hint))
    })
}

fn is_secret(input: &Input) -> bool {
    input.value.starts_with("${{") && input.value.contains("secrets.")
}

pub(super) fn permissions(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in pipelines.workflows.iter().filter(|workflow| workflow.permissions.is_none()) {
        for job in workflow.jobs.iter().filter(|job| job.permissions.is_none()) {
            if pipelines.job_deploys(workflow, job) {
                let message =
                    format!("job {} deploys with every permission that the repository gives", job.id);
                let finding = workflow.file.warning(Code::PERMISSIONS, &job.span, message);
                let hint = "say which it needs, such as `permissions: { contents: read, id-token: write }`";
                findings.push(finding.with_hint(hint));
            }
        }
    }
    findings
}
