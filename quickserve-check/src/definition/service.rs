//! Service definitions beside the task definition, as for `aws ecs create-service`.

use std::path::{Path, PathBuf};

use quickserve_core::document::{Node, Span, Value, parse_json};
use quickserve_core::finding::{Code, Finding, Severity};

use super::Definition;
use crate::{Subject, Text, inside};

/// How many files beside the definition are looked into.
const FILES: usize = 64;

/// A service definition.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Service {
    /// Its file.
    pub file: Text,
    /// The service itself: of an answer of `describe-services`, the first of `services`.
    pub tree: Node,
}

impl Service {
    /// Whether ECS itself replaces its tasks one after the other.
    pub(super) fn is_rolling(&self) -> bool {
        let text = |node: Option<&Node>| node.and_then(Node::as_str).unwrap_or_default().to_owned();
        let controller = text(self.tree.get("deploymentController").and_then(|node| node.get("type")));
        let strategy = text(self.tree.get("deploymentConfiguration").and_then(|node| node.get("strategy")));
        matches!(&*controller, "" | "ECS")
            && matches!(&*strategy, "" | "ROLLING")
            && text(self.tree.get("schedulingStrategy")) != "DAEMON"
    }

    fn of(file: Text) -> Result<Option<Self>, Vec<Finding>> {
        let tree = parse_json(file.source(), Code::DEFINITION_SYNTAX, Code::DEFINITION_INCOMPLETE)?;
        let inner =
            tree.get("services").and_then(|services| services.items().first()).or(tree.get("service"));
        let tree = inner.cloned().unwrap_or(tree);
        Ok(tree.as_table().is_some().then_some(Self { file, tree }))
    }
}

/// The service definitions in the folder of the task definition, and what is wrong with them.
pub(super) fn beside(subject: &Subject, definition: &Path) -> (Vec<Service>, Vec<Finding>) {
    let folder = definition.parent().unwrap_or(Path::new(""));
    let entries = std::fs::read_dir(subject.path(folder)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| folder.join(entry.file_name())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json") && path != definition);
    paths.sort();
    let (mut services, mut findings): (_, Vec<Finding>) = (Vec::new(), Vec::new());
    for path in paths.into_iter().take(FILES) {
        // Nobody has named this file: one that cannot be read is none of ours.
        let Ok(file) = inside::read(subject, &path) else { continue };
        let is_service = file.text.contains("\"deploymentConfiguration\"")
            || (file.text.contains("\"serviceName\"") && file.text.contains("\"desiredCount\""));
        if !is_service {
            continue;
        }
        match Service::of(file) {
            Ok(service) => services.extend(service),
            Err(wrong) => findings.extend(wrong),
        }
    }
    // They may be for another tool altogether.
    for finding in &mut findings {
        finding.severity = Severity::Warning;
    }
    (services, findings)
}

/// ECS documentation, "How the Amazon ECS deployment circuit breaker detects failures": without it, or an alarm, a
/// deployment whose tasks fail starts them again for ever.
pub(super) fn circuit_breakers(definition: &Definition, _: &Subject) -> Vec<Finding> {
    definition.services.iter().filter(|service| service.is_rolling()).filter_map(circuit_breaker).collect()
}

fn circuit_breaker(service: &Service) -> Option<Finding> {
    let configuration = service.tree.as_table()?.entry("deploymentConfiguration");
    let is_on = |key: &str, field: &str| {
        let node = configuration.and_then(|entry| entry.node.get(key)).and_then(|node| node.get(field));
        node.is_some_and(|node| node.value == Value::Boolean(true))
    };
    let (breaker, alarms) = ("deploymentCircuitBreaker", "alarms");
    let message = if is_on(alarms, "enable") && is_on(alarms, "rollback")
        || is_on(breaker, "rollback") && is_on(breaker, "enable")
    {
        return None;
    } else if is_on(breaker, "enable") {
        "a deployment that fails is stopped, and the service stays as it is then: rollback is off"
    } else {
        "a deployment that fails starts its tasks again for ever: the circuit breaker is off"
    };
    let start = service.tree.span.start;
    let span: Span = configuration.map_or(start..start + 1, |entry| entry.key_span.clone());
    let hint = "write \"deploymentCircuitBreaker\": {\"enable\": true, \"rollback\": true}";
    Some(service.file.warning(Code::NO_CIRCUIT_BREAKER, &span, message).with_hint(hint))
}
