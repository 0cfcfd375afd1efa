//! The definition as a whole.

use std::collections::BTreeMap;

use super::container::{self, Read};
use super::dependencies;
use super::fields::{TASK, TASK_ECS_ONLY, VOLUME_ECS_ONLY, object};
use crate::config::{HealthCheck, Settings};
use crate::document::{Codes, Decoder, Fields, Node, Source, Span, Value, did_you_mean, parse_json, values};
use crate::finding::{Code, Finding, Place, Problems, Severity};
use crate::workload::endpoint::endpoint;
use crate::workload::gate::gate;
use crate::workload::{EndpointPort, Probe, Protocol, Volume, Workload, size};

const CODES: Codes = Codes {
    unknown: Code::DEFINITION_UNKNOWN_FIELD,
    kind: Code::DEFINITION_VALUE,
    value: Code::DEFINITION_VALUE,
    incomplete: Code::DEFINITION_INCOMPLETE,
    elsewhere: &[],
};

/// With what a task definition is read.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What problems call the file.
    pub file: String,
    /// Values for `${NAME}`.
    pub values: BTreeMap<String, String>,
    /// The container that the built image is for, if the settings name one.
    pub container: Option<String>,
    /// The port that takes requests, where the definition has several.
    pub port: Option<u16>,
    /// What the tasks speak.
    pub protocol: Protocol,
    /// What the settings say of health.
    pub health_check: HealthCheck,
    /// Plain variables for the main container, over those of the definition. They are in the workload, not in
    /// its `document`.
    pub variables: BTreeMap<String, String>,
    /// The image of the main container, instead of the definition's.
    pub image: Option<String>,
    /// Images of containers by name, instead of the definition's.
    pub images: BTreeMap<String, String>,
}

impl Reading {
    /// As these settings say; values and images are the caller's to add.
    pub fn of(settings: &Settings, file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            container: settings.container.clone(),
            port: settings.port,
            protocol: settings.public.upstream,
            health_check: settings.health_check.clone(),
            variables: settings.variables.clone(),
            ..Self::default()
        }
    }
}

/// A task definition, read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskDefinition {
    /// The family, if it names one.
    pub family: Option<String>,
    /// What runs. Its `document` is the definition as it was given, placeholders and all.
    pub workload: Workload,
    /// The reference of each container's image, placeholders filled in.
    pub images: BTreeMap<String, String>,
    /// The container that the built image is for: the one that the settings name, else the only one, else the
    /// one that takes requests, else the only essential one.
    pub main: Option<String>,
    /// Where each secret variable says what it is taken from, by container and name.
    pub secrets: BTreeMap<(String, String), Place>,
    /// What is worth knowing and no error: fields that only ECS obeys, and fields that even ECS does not know.
    pub notes: Vec<Finding>,
}

impl TaskDefinition {
    /// Reads the text of a task definition, as it is registered or as `describe-task-definition` answers.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place: not JSON, wrong types, containers that are missing or
    /// twice there, dependencies that cannot be met, placeholders without a value, an endpoint that cannot be
    /// told.
    pub fn read(text: &str, reading: &Reading) -> Result<Self, Problems> {
        let source = Source { file: &reading.file, text };
        if text.trim().is_empty() {
            let finding = source.error(Code::DEFINITION_SYNTAX, &(0..0), "the file is empty");
            return Err(finding
                .with_hint("write an ECS task definition, or use the short form of quickserve.toml")
                .into());
        }
        let mut decoder = Decoder::new(source, CODES);
        decoder.placeholders = Some(&reading.values);
        let read = match parse_json(source, Code::DEFINITION_SYNTAX, Code::DEFINITION_INCOMPLETE) {
            Ok(tree) => read(&mut decoder, &tree, reading),
            Err(findings) => {
                decoder.extend(findings);
                None
            }
        };
        let findings = decoder.into_findings();
        match read {
            Some(read) if findings.iter().all(|finding| finding.severity < Severity::Error) => {
                Ok(Self { notes: findings, ..read })
            }
            _ => Err(Problems::new(findings).unwrap_or_else(|| {
                source.error(Code::DEFINITION_VALUE, &(0..0), "not a task definition").into()
            })),
        }
    }
}

fn read(decoder: &mut Decoder<'_>, tree: &Node, reading: &Reading) -> Option<TaskDefinition> {
    // The answer of describe-task-definition holds the definition, and the tags beside it.
    let described = tree.as_table().and_then(|table| table.entry("taskDefinition"));
    let definition = described.map_or(tree, |entry| &entry.node);
    let mut read = object(TASK, TASK_ECS_ONLY, |fields| definition_of(fields, reading))(decoder, definition)?;
    let text = decoder.source.text;
    let document = if described.is_some() { text.get(definition.span.clone())? } else { text };
    read.workload.document = Some(document.to_owned());
    Some(read)
}

fn definition_of(fields: &mut Fields<'_, '_, '_>, reading: &Reading) -> Option<TaskDefinition> {
    let family = fields.optional("family", values::name);
    let cpu_units = fields.optional("cpu", size::cpu);
    let memory_mib = fields.optional("memory", size::memory);
    let volumes = fields.optional("volumes", values::list(volume)).unwrap_or_default();
    let hint =
        "a task has at least one container: \"containerDefinitions\": [{\"name\": ..., \"image\": ...}]";
    let (containers, span) = fields.required("containerDefinitions", hint, |decoder, node| {
        let Value::Array(items) = &node.value else {
            decoder.wrong_type(node, "a list");
            return None;
        };
        if items.is_empty() {
            decoder.incomplete(&node.span, "`containerDefinitions` is empty", hint);
            return None;
        }
        let containers: Vec<Read> = items.iter().filter_map(|item| container::read(decoder, item)).collect();
        let whole = containers.len() == items.len();
        let span = node.span.start..node.span.start + 1;
        whole.then_some((containers, span))
    })?;
    let decoder = &mut *fields.decoder;
    check_names(decoder, &containers, &span);
    check_mounts(decoder, &containers, &volumes);
    dependencies::check(decoder, &containers);
    let endpoint = endpoint_of(decoder, &containers, &span, reading);
    let main = main_container(decoder, &containers, &span, endpoint.as_ref(), reading);
    let images = images(decoder, &containers, main.as_deref(), reading);

    let secrets = containers.iter().flat_map(|read| {
        let place = |(name, span): (&String, &Span)| {
            ((read.container.name.clone(), name.clone()), decoder.source.place(span.start))
        };
        read.secrets.iter().map(place).collect::<Vec<_>>()
    });
    let secrets = secrets.collect();

    let mut containers: Vec<_> = containers.into_iter().map(|read| read.container).collect();
    if let Some(container) = containers.iter_mut().find(|container| main.as_ref() == Some(&container.name)) {
        container.secrets.retain(|name, _| !reading.variables.contains_key(name));
        container.environment.extend(reading.variables.clone());
    }
    let probed = endpoint.as_ref().map(|endpoint| endpoint.container.as_str()).or(main.as_deref());
    let probed = containers.iter().find(|container| Some(container.name.as_str()) == probed);
    let gate = gate(&reading.health_check, endpoint.as_ref(), probed);
    let protocol = reading.protocol;
    let workload =
        Workload { containers, endpoint, protocol, gate, cpu_units, memory_mib, volumes, document: None };
    Some(TaskDefinition { family, workload, images, main, secrets, notes: Vec::new() })
}

fn volume(decoder: &mut Decoder<'_>, node: &Node) -> Option<Volume> {
    object(&[], VOLUME_ECS_ONLY, |fields| {
        let name = fields.required("name", "name the volume", values::name);
        let host = object(&[], &[], |fields| Some(fields.optional("sourcePath", values::name)));
        let host_path = fields.optional("host", host).flatten();
        Some(Volume { name: name?, host_path })
    })(decoder, node)
}

fn check_names(decoder: &mut Decoder<'_>, containers: &[Read], span: &Span) {
    for (index, read) in containers.iter().enumerate() {
        let name = &read.container.name;
        if let Some(first) = containers[..index].iter().find(|first| first.container.name == *name) {
            let line = decoder.source.place(first.name.start).line;
            let message = format!("container name {name} is here twice, first in line {line}");
            decoder.incomplete(&read.name, message, "names of containers are unique within a task");
        }
    }
    if !containers.iter().any(|read| read.container.essential) {
        let hint = "a task ends with its essential containers: leave out \"essential\": false for one";
        decoder.incomplete(span, "no container is essential", hint);
    }
}

fn check_mounts(decoder: &mut Decoder<'_>, containers: &[Read], volumes: &[Volume]) {
    let names: Vec<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
    for read in containers {
        for (mount, span) in read.container.mounts.iter().zip(&read.mounts) {
            if !names.contains(&mount.volume.as_str()) {
                let hint =
                    did_you_mean(&mount.volume, &names).unwrap_or("declare it in `volumes`".to_owned());
                decoder.incomplete(span, format!("no volume is named {:?}", mount.volume), hint);
            }
        }
    }
}

fn endpoint_of(
    decoder: &mut Decoder<'_>,
    containers: &[Read],
    span: &Span,
    reading: &Reading,
) -> Option<EndpointPort> {
    let plain: Vec<_> = containers.iter().map(|read| read.container.clone()).collect();
    let found = match endpoint(&plain, reading.container.as_deref(), reading.port) {
        Ok(found) => found,
        Err(unclear) => {
            decoder.report(Code::DEFINITION_ENDPOINT, span, unclear.message).hint = Some(unclear.hint);
            return None;
        }
    };
    let check = &reading.health_check;
    let (message, hint) = match (&found, &check.probe, check.port) {
        (None, Some(Probe::Http { .. } | Probe::Tcp), _) | (None, _, Some(_)) => (
            "the health check asks a port, and no container has one".to_owned(),
            "add portMappings, or write health_check = { stays = \"10s\" }".to_owned(),
        ),
        (Some(endpoint), _, Some(port)) if port != endpoint.port => (
            format!("the health check asks port {port}, and requests go to port {}", endpoint.port),
            "a task is probed where its requests go: remove the port of `health_check`".to_owned(),
        ),
        _ => return found,
    };
    decoder.report(Code::DEFINITION_ENDPOINT, span, message).hint = Some(hint);
    found
}

fn main_container(
    decoder: &mut Decoder<'_>,
    containers: &[Read],
    span: &Span,
    endpoint: Option<&EndpointPort>,
    reading: &Reading,
) -> Option<String> {
    let names: Vec<&str> = containers.iter().map(|read| read.container.name.as_str()).collect();
    if let Some(wanted) = &reading.container {
        if !names.contains(&wanted.as_str()) {
            let message = format!("no container is named {wanted:?}, which quickserve.toml names");
            decoder.report(Code::DEFINITION_ENDPOINT, span, message).hint = did_you_mean(wanted, &names);
        }
        return Some(wanted.clone());
    }
    let mut essential = containers.iter().filter(|read| read.container.essential);
    let only_essential = essential.next().filter(|_| essential.next().is_none());
    let main = match (containers, endpoint) {
        ([only], _) => Some(only.container.name.clone()),
        (_, Some(endpoint)) => Some(endpoint.container.clone()),
        (_, None) => only_essential.map(|read| read.container.name.clone()),
    };
    if main.is_none() && (reading.image.is_some() || !reading.variables.is_empty()) {
        let message = format!("which of the containers {} is meant cannot be told", names.join(", "));
        decoder.report(Code::DEFINITION_ENDPOINT, span, message).hint =
            Some(format!("say which in quickserve.toml: container = {:?}", names[0]));
    }
    main
}

/// Each container's image: the caller's, else the definition's with its placeholders filled in.
fn images(
    decoder: &mut Decoder<'_>,
    containers: &[Read],
    main: Option<&str>,
    reading: &Reading,
) -> BTreeMap<String, String> {
    let names: Vec<&str> = containers.iter().map(|read| read.container.name.as_str()).collect();
    for name in reading.images.keys().filter(|name| !names.contains(&name.as_str())) {
        let finding = Finding::error(Code::DEFINITION_ENDPOINT, format!("no container is named {name:?}"));
        let finding = finding.on(format!("image of {name}"));
        decoder.push(Finding { hint: did_you_mean(name, &names), ..finding });
    }
    let mut images = BTreeMap::new();
    for read in containers {
        let name = &read.container.name;
        let given = reading.images.get(name).or(reading.image.as_ref().filter(|_| main == Some(name)));
        let image = match (given, &read.image) {
            (Some(given), _) => Some(given.clone()),
            (None, Some((text, span))) => decoder.fill(span, text, false),
            (None, None) => None,
        };
        images.extend(image.map(|image| (name.clone(), image)));
    }
    images
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
