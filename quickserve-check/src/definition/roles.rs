//! The roles of a task: the one by which ECS starts it, and the one that its own code has.

use quickserve_core::document::{Node, Span, Value};
use quickserve_core::finding::{Code, Finding};

use super::{Container, Definition, discretion};
use crate::Subject;

/// ECS documentation, "Amazon ECS task execution IAM role". Each of these is refused when the definition is
/// registered: secrets and credentials of a registry anywhere, logs by awslogs and images of ECR on Fargate (on EC2
/// the instance's own role serves for those).
pub(super) fn execution_role(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let role = definition.tree.get("executionRoleArn").filter(|node| node.as_str() != Some(""));
    if role.is_some() {
        return Vec::new();
    }
    let needs: Vec<(&str, Span)> =
        definition.containers().into_iter().flat_map(|container| needs(definition, container)).collect();
    let Some((_, span)) = needs.first() else { return Vec::new() };
    let mut reasons: Vec<&str> = Vec::new();
    for (reason, _) in &needs {
        if !reasons.contains(reason) {
            reasons.push(reason);
        }
    }
    let message = format!("no executionRoleArn, which is needed for {}", listed(&reasons));
    let hint = "name a role that trusts ecs-tasks.amazonaws.com and may read the secrets, such as \
                arn:aws:iam::ACCOUNT:role/ecsTaskExecutionRole";
    vec![definition.file.error(Code::NO_EXECUTION_ROLE, span, message).with_hint(hint)]
}

fn needs(definition: &Definition, container: Container<'_>) -> Vec<(&'static str, Span)> {
    let fargate = definition.is_for_fargate();
    let filled = |key: &str| {
        let entry = container.entry(key)?;
        let empty = entry.node.as_list().is_some_and(<[Node]>::is_empty);
        (!empty).then(|| entry.key_span.clone())
    };
    let logs = container.get("logConfiguration");
    let options =
        logs.and_then(|logs| logs.get("secretOptions")).filter(|options| !options.items().is_empty());
    let driver = logs.and_then(|logs| logs.get("logDriver"));
    let awslogs = driver.filter(|driver| fargate && driver.as_str() == Some("awslogs"));
    let image = container.image().filter(|image| fargate && image.as_str().is_some_and(is_private_ecr));
    [
        filled("secrets").map(|span| ("`secrets`", span)),
        options.map(|node| ("`secretOptions`", node.span.clone())),
        filled("repositoryCredentials").map(|span| ("`repositoryCredentials`", span)),
        awslogs.map(|node| ("awslogs", node.span.clone())),
        image.map(|node| ("images of ECR", node.span.clone())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn is_private_ecr(image: &str) -> bool {
    image
        .split('/')
        .next()
        .is_some_and(|registry| registry.contains(".dkr.ecr.") || registry.contains(".dkr-ecr."))
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The finding where code that calls AWS runs in a task without a role of its own. ECS documentation, "Task IAM role".
///
/// `uses_aws`: whether its variables or its dependencies say that it does.
pub fn no_task_role(definition: &Definition, uses_aws: bool) -> Option<Finding> {
    let role = definition.tree.get("taskRoleArn").filter(|node| node.as_str() != Some(""));
    let has_keys = definition.containers().into_iter().any(|container| {
        let secrets = container.secrets().into_iter().chain(container.environment());
        secrets.into_iter().any(|(name, ..)| name == "AWS_ACCESS_KEY_ID")
    });
    if role.is_some_and(|role| role.value != Value::Null) || has_keys || !uses_aws {
        return None;
    }
    let containers = definition.containers();
    let span = containers.first().map_or(0..1, Container::span);
    let message = "no taskRoleArn, and the code calls AWS: it has no credentials there";
    let hint = "name a role that trusts ecs-tasks.amazonaws.com and may do what the code does";
    let file = &definition.file;
    discretion::keep_one(file, file.warning(Code::NO_TASK_ROLE, &span, message).with_hint(hint))
}
