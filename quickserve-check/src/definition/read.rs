//! Reading: the tree, what the core has to say of the same text, and the service definitions beside it.

use std::collections::BTreeMap;

use quickserve_core::document::{Node, parse_json};
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::workload::{Reading, TaskDefinition, substitute};

use super::container::Container;
use super::{discretion, service};
use crate::placeholder::foreign;
use crate::{Subject, Text};

/// A task definition that is JSON, whatever else is wrong with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Definition {
    /// Its file.
    pub file: Text,
    /// The definition itself: of an answer of `describe-task-definition`, what is under `taskDefinition`.
    pub tree: Node,
    /// Service definitions that are beside it.
    pub services: Vec<service::Service>,
    /// Values for `${NAME}`.
    placeholders: BTreeMap<String, String>,
}

/// How the containers of a task reach each other. ECS documentation, "Task definition parameters", network mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The task has an address of its own, which its containers share.
    Awsvpc,
    /// All containers share the host's.
    Host,
    /// Each container has its own; ports of the host are mapped to theirs.
    Bridge,
    /// None at all, or one that cannot be told.
    Other,
}

/// How large a file is looked into, in bytes. ECS takes 64 KiB, blanks not counted.
const LARGEST: usize = 256 << 10;

/// Reads the definition of a subject, and says what is wrong with its text. Placeholders without a value keep nothing from
/// being read.
pub fn read(subject: &Subject) -> (Option<Definition>, Vec<Finding>) {
    let Some(path) = &subject.definition else { return (None, Vec::new()) };
    let file = match Text::read(&subject.path(path), &subject.name(path)) {
        Ok(file) => file,
        Err(finding) => return (None, vec![*finding]),
    };
    let (definition, mut findings) = parse(file, subject);
    let definition = definition.map(|definition| {
        let (services, unreadable) = service::beside(subject, path);
        findings.extend(unreadable);
        Definition { services, ..definition }
    });
    (definition, findings)
}

/// The definition that a text is, and what is wrong with the text.
pub(crate) fn parse(file: Text, subject: &Subject) -> (Option<Definition>, Vec<Finding>) {
    if file.text.len() > LARGEST {
        let message = format!("{} is larger than any task definition of ECS", file.file);
        let finding = Finding::error(Code::DEFINITION_REJECTED, message).at(file.source().place(0));
        return (None, vec![finding.with_hint("ECS takes 64 KiB: name the file that describes one task")]);
    }
    let findings = discretion::keep(&file, of_the_core(&file, subject));
    let tree = parse_json(file.source(), Code::DEFINITION_SYNTAX, Code::DEFINITION_INCOMPLETE).ok();
    let tree = tree.map(|tree| tree.get("taskDefinition").cloned().unwrap_or(tree));
    let tree = tree.filter(|tree| tree.as_table().is_some());
    let placeholders = subject.placeholders.clone();
    let definition = tree.map(|tree| Definition { file, tree, services: Vec::new(), placeholders });
    (definition, findings)
}

/// What the core finds, as far as it matters here.
fn of_the_core(file: &Text, subject: &Subject) -> Vec<Finding> {
    let reading = Reading {
        file: file.file.clone(),
        values: subject.placeholders.clone(),
        container: subject.container.clone(),
        port: subject.port,
        variables: subject.variables.clone(),
        image: subject.image.clone(),
        ..Reading::default()
    };
    let mut findings = match TaskDefinition::read(&file.text, &reading) {
        Ok(definition) => definition.notes,
        Err(problems) => problems.into_findings(),
    };
    // That local Docker ignores a field is of no interest to who deploys to ECS.
    findings.retain(|finding| finding.code != Code::DEFINITION_ECS_ONLY || !subject.is_for_ecs());
    for finding in &mut findings {
        // ECS itself needs not know which container takes requests; with settings, QuickServe does.
        if finding.code == Code::DEFINITION_ENDPOINT && subject.platform.is_none() {
            finding.severity = Severity::Info;
        }
        if finding.code == Code::DEFINITION_SYNTAX && finding.hint.is_none() {
            finding.hint = yaml_hint(&file.text);
        }
    }
    findings
}

/// What to do about YAML: its first key stands alone, without quotes.
fn yaml_hint(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---")?;
    let (key, _) = first.trim_start_matches("- ").split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    is_key.then(|| "this is YAML; ECS takes JSON: convert it, such as with `yq -o=json`".to_owned())
}

impl Definition {
    /// Its containers, in the order of the file.
    pub fn containers(&self) -> Vec<Container<'_>> {
        let nodes = self.tree.get("containerDefinitions").map(Node::items).unwrap_or_default();
        nodes.iter().filter(|node| node.as_table().is_some()).map(Container::new).collect()
    }

    /// The container that the built image is for: the one that the settings name, else the only one, else the only
    /// one that listens, else the only essential one.
    pub fn main(&self, subject: &Subject) -> Option<Container<'_>> {
        let containers = self.containers();
        if let Some(name) = &subject.container {
            return containers.into_iter().find(|container| container.name() == name);
        }
        let only = |wanted: &dyn Fn(&Container<'_>) -> bool| {
            let mut found = containers.iter().filter(|container| wanted(container));
            found.next().filter(|_| found.next().is_none()).copied()
        };
        let listens = |container: &Container<'_>| !container.ports().is_empty();
        only(&|_| true)
            .or_else(|| only(&listens))
            .or_else(|| only(&|container| listens(container) && container.essential()))
            .or_else(|| only(&|container| container.essential()))
    }

    /// Whether it must fit Fargate. ECS documentation, "Task definition parameters", launch types: what
    /// `requiresCompatibilities` names is checked when the definition is registered.
    pub fn is_for_fargate(&self) -> bool {
        let required = self.tree.get("requiresCompatibilities").map(Node::items).unwrap_or_default();
        required.iter().any(|node| node.as_str() == Some("FARGATE"))
    }

    /// How its containers reach each other; `bridge` is the default on EC2.
    pub fn network(&self) -> Network {
        match self.tree.get("networkMode").map(|node| node.as_str().unwrap_or_default()) {
            Some("awsvpc") => Network::Awsvpc,
            Some("host") => Network::Host,
            Some("bridge") => Network::Bridge,
            Some(_) => Network::Other,
            None if self.is_for_fargate() => Network::Awsvpc,
            None => Network::Bridge,
        }
    }

    /// The architecture that it asks for, such as `ARM64`. ECS takes `X86_64` where nothing is said.
    pub fn architecture(&self) -> Option<&Node> {
        self.tree.get("runtimePlatform")?.get("cpuArchitecture")
    }

    /// The text of a value, its placeholders filled in; none where one has no value, or is for another tool.
    pub(crate) fn filled(&self, node: &Node) -> Option<String> {
        let filled = substitute::strict(node.as_str()?, &self.placeholders).ok()?;
        foreign(&filled).is_none().then_some(filled)
    }
}
