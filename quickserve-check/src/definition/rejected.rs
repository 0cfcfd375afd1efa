//! What `RegisterTaskDefinition` rejects, as far as the core does not say it when it reads the definition.
//!
//! ECS documentation, "Task definition parameters for Fargate" and "for Amazon EC2".

use quickserve_core::document::{Entry, Node, Span, Value};
use quickserve_core::finding::{Code, Finding};

use super::{Container, Definition, Network};
use crate::Subject;

/// How many containers a task has at most. ECS documentation, "Service quotas".
const CONTAINERS: usize = 10;

/// How large a definition is at most, in bytes. The same.
const SIZE: usize = 64 << 10;

/// The log drivers of Fargate. ECS documentation, `logDriver`.
const FARGATE_LOGS: &[&str] = &["awslogs", "splunk", "awsfirelens"];

/// Fields that no container has in an awsvpc network. ECS documentation, "Network settings" of a container.
const NOT_IN_AWSVPC: &[(&str, &str)] = &[
    ("links", "containers of the task reach each other at localhost"),
    ("extraHosts", "use DNS, such as a private zone of Route 53"),
    ("hostname", "leave it out: the task has a name of its own"),
];

/// What is there only in an answer of `describe-task-definition`.
const ANSWER: &[&str] = &[
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
];

fn reject(definition: &Definition, span: &Span, message: impl Into<String>, hint: &str) -> Finding {
    definition.file.error(Code::DEFINITION_REJECTED, span, message).with_hint(hint)
}

fn start(node: &Node) -> Span {
    node.span.start..node.span.start + 1
}

fn entry<'d>(node: &'d Node, key: &str) -> Option<&'d Entry> {
    let entry = node.as_table()?.entry(key)?;
    (entry.node.value != Value::Null).then_some(entry)
}

/// Whether the value of a field says something.
fn says_something(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Boolean(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Table(table) => !table.entries.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

/// Its name, its size, and how many containers it has.
pub(super) fn family(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    match definition.tree.get("family") {
        None => {
            let message = "the definition has no family";
            let finding =
                definition.file.warning(Code::DEFINITION_REJECTED, &start(&definition.tree), message);
            findings.push(finding.with_hint("name it: \"family\": \"...\", or whoever registers it must"));
        }
        Some(node) => {
            let valid = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
            let family =
                definition.filled(node).filter(|family| family.len() > 255 || !family.chars().all(valid));
            let hint = "use up to 255 letters, digits, underscores and hyphens";
            findings
                .extend(family.map(|_| reject(definition, &node.span, "this is no name of a family", hint)));
        }
    }
    if let Some(one_more) = definition.containers().get(CONTAINERS) {
        let message = format!("the task has more than {CONTAINERS} containers");
        findings.push(reject(definition, &one_more.span(), message, "split the task in two"));
    }
    // Only a file that is larger can be too large without its blanks.
    if definition.file.text.len() > SIZE && definition.tree.to_json().to_string().len() > SIZE {
        let message = "the definition is larger than 64 KiB";
        let hint = "move what is large into files, secrets or parameters";
        findings.push(reject(definition, &start(&definition.tree), message, hint));
    }
    findings
}

/// What its network mode does not allow.
pub(super) fn network(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mode = definition.tree.get("networkMode");
    if let Some(node) = mode
        && let Some(text) = definition.filled(node)
        && !["awsvpc", "bridge", "host", "none", "default"].contains(&&*text)
    {
        let message = format!("there is no network mode {text:?}");
        findings.push(reject(definition, &node.span, message, "write awsvpc, bridge, host or none"));
    }
    let network = definition.network();
    for container in definition.containers() {
        let name = container.name();
        if matches!(network, Network::Awsvpc | Network::Host) {
            let mappings = container.mappings().into_iter();
            findings.extend(mappings.filter_map(|mapping| {
                let ((inner, _), (outer, span)) = (mapping.container, mapping.host?);
                let differ = outer != inner && outer != 0;
                let message = format!("hostPort {outer} of {name} is not its containerPort {inner}");
                differ.then(|| {
                    reject(
                        definition,
                        &span,
                        message,
                        "leave out hostPort: in this network mode they are one",
                    )
                })
            }));
        }
        if network == Network::Awsvpc {
            findings.extend(NOT_IN_AWSVPC.iter().filter_map(|(key, hint)| {
                let entry = container.entry(key).filter(|entry| says_something(&entry.node))?;
                let message = format!("`{key}` of {name} is not possible in the network mode awsvpc");
                Some(reject(definition, &entry.key_span, message, hint))
            }));
        }
        if mode.and_then(Node::as_str) == Some("none") && !container.mappings().is_empty() {
            let message = format!("{name} has ports, and the network mode is none");
            findings.push(reject(
                definition,
                &container.span(),
                message,
                "remove portMappings, or use awsvpc",
            ));
        }
    }
    findings
}

/// What Fargate does not have.
pub(super) fn fargate(definition: &Definition, _: &Subject) -> Vec<Finding> {
    if !definition.is_for_fargate() {
        return Vec::new();
    }
    let tree = &definition.tree;
    let mut findings = Vec::new();
    let asks =
        entry(tree, "requiresCompatibilities").map_or_else(|| start(tree), |entry| entry.key_span.clone());
    match tree.get("networkMode") {
        None => findings.push(reject(
            definition,
            &asks,
            "Fargate needs the network mode awsvpc",
            "add \"networkMode\": \"awsvpc\"",
        )),
        Some(node) => {
            let other = definition.filled(node).filter(|mode| mode != "awsvpc");
            let message = other.map(|mode| format!("Fargate has no network mode {mode}, only awsvpc"));
            findings.extend(message.map(|message| reject(definition, &node.span, message, "write awsvpc")));
        }
    }
    for (key, example) in [("cpu", "256"), ("memory", "512")] {
        let message = format!("Fargate needs `{key}` of the task, beside containerDefinitions");
        let hint = format!("add such as \"{key}\": \"{example}\"");
        findings.extend(tree.get(key).is_none().then(|| reject(definition, &asks, message, &hint)));
    }
    for (key, allowed) in [("ipcMode", ""), ("pidMode", "task"), ("placementConstraints", "")] {
        let Some(entry) = entry(tree, key).filter(|entry| says_something(&entry.node)) else { continue };
        if entry.node.as_str().is_none_or(|text| text != allowed) {
            let message = format!("Fargate does not have this `{key}`");
            findings.push(reject(definition, &entry.key_span, message, "remove it, or run the task on EC2"));
        }
    }
    let volumes = tree.get("volumes").map(Node::items).unwrap_or_default();
    for volume in volumes {
        let path = volume.get("host").and_then(|host| entry(host, "sourcePath"));
        let docker = entry(volume, "dockerVolumeConfiguration");
        if let Some(entry) = path.or(docker).filter(|entry| says_something(&entry.node)) {
            let message = format!("a volume on Fargate has no `{}`", entry.key);
            let hint = "leave it out for an empty folder, or use efsVolumeConfiguration";
            findings.push(reject(definition, &entry.key_span, message, hint));
        }
    }
    findings.extend(
        definition.containers().into_iter().flat_map(|container| fargate_container(definition, container)),
    );
    findings
}

fn fargate_container(definition: &Definition, container: Container<'_>) -> Vec<Finding> {
    let name = container.name();
    let privileged = container.entry("privileged").filter(|entry| says_something(&entry.node)).map(|entry| {
        let message = format!("{name} is privileged, which nothing is on Fargate");
        reject(definition, &entry.key_span, message, "remove it, or run the task on EC2")
    });
    let driver = container.get("logConfiguration").and_then(|logs| logs.get("logDriver"));
    let driver = driver.and_then(|node| {
        let driver = definition.filled(node).filter(|driver| !FARGATE_LOGS.contains(&&**driver))?;
        let message = format!("{name} logs by {driver}, which Fargate does not have");
        Some(reject(definition, &node.span, message, "use awslogs, awsfirelens or splunk"))
    });
    privileged.into_iter().chain(driver).collect()
}

/// ECS documentation, "Using the awslogs log driver", options of awslogs.
pub(super) fn logs(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in definition.containers() {
        let Some(logs) = container.entry("logConfiguration") else { continue };
        if logs.node.get("logDriver").and_then(Node::as_str) != Some("awslogs") {
            continue;
        }
        let option = |key: &str| logs.node.get("options").and_then(|options| options.get(key));
        let mut needed = vec!["awslogs-group", "awslogs-region"];
        needed.extend(definition.is_for_fargate().then_some("awslogs-stream-prefix"));
        let missing: Vec<&str> = needed.into_iter().filter(|key| option(key).is_none()).collect();
        if !missing.is_empty() {
            let message = format!("awslogs of {} lacks {}", container.name(), missing.join(" and "));
            findings.push(reject(definition, &logs.key_span, message, "add it to `options`"));
        }
        if let Some(node) = option("awslogs-create-group").filter(|node| node.as_str() == Some("false")) {
            let message = "awslogs-create-group can only be \"true\"";
            findings.push(reject(definition, &node.span, message, "leave it out to mean false"));
        }
    }
    findings
}

/// `FireLens` is two halves: containers that log by it, and the one that routes what they log. `RegisterTaskDefinition` says
/// of either alone that the other is missing.
pub(super) fn firelens(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let containers = definition.containers();
    let router = containers.iter().find_map(|container| container.entry("firelensConfiguration"));
    let by_it: Vec<(&str, &Node)> = containers
        .iter()
        .filter_map(|container| {
            Some((container.name(), container.get("logConfiguration")?.get("logDriver")?))
        })
        .filter(|(_, driver)| driver.as_str() == Some("awsfirelens"))
        .collect();
    match (router, by_it.as_slice()) {
        (None, [(name, driver), ..]) => {
            let message = format!("{name} logs by awsfirelens, and no container has a firelensConfiguration");
            let hint = "add a router, such as aws-for-fluent-bit with \"firelensConfiguration\": {\"type\": \"fluentbit\"}";
            vec![reject(definition, &driver.span, message, hint)]
        }
        // Which driver a placeholder stands for is not known.
        (Some(router), []) if !containers.iter().any(|container| is_open(definition, *container)) => {
            let message = "firelensConfiguration is there, and no container logs by awsfirelens";
            vec![reject(
                definition,
                &router.key_span,
                message,
                "set logDriver of the service to awsfirelens, or remove it",
            )]
        }
        _ => Vec::new(),
    }
}

/// Whether the log driver of a container is not known here.
fn is_open(definition: &Definition, container: Container<'_>) -> bool {
    let driver = container.get("logConfiguration").and_then(|logs| logs.get("logDriver"));
    driver.is_some_and(|driver| definition.filled(driver).is_none())
}

/// Fields that ECS answers and does not take. The AWS CLI refuses them; others leave them out.
pub(super) fn answer_only(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let entries = definition.tree.as_table().map(|table| table.entries.as_slice()).unwrap_or_default();
    let mut found = entries.iter().filter(|entry| ANSWER.contains(&&*entry.key));
    let Some(first) = found.next() else { return Vec::new() };
    let message = match found.count() {
        0 => format!("`{}` belongs to an answer of ECS", first.key),
        more => format!("`{}` and {more} more fields belong to an answer of ECS", first.key),
    };
    let hint = "remove them: `aws ecs register-task-definition` refuses them";
    vec![definition.file.info(Code::DEFINITION_REJECTED, &first.key_span, message).with_hint(hint)]
}
