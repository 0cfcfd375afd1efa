//! One entry of `containerDefinitions`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fields::{CONTAINER, CONTAINER_ECS_ONLY, LINUX_ECS_ONLY, object};
use crate::document::{Decoder, Node, Span, values};
use crate::workload::{Condition, Container, ContainerHealthCheck, Dependency, Mount, Tmpfs, Ulimit};

/// A container, and the places of what can only be judged beside the others.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) container: Container,
    pub(super) name: Span,
    /// As it stands, its placeholders not filled in.
    pub(super) image: Option<(String, Span)>,
    pub(super) depends_on: Vec<Span>,
    pub(super) mounts: Vec<Span>,
    /// Of each secret variable, where it says what it is taken from.
    pub(super) secrets: BTreeMap<String, Span>,
}

const CONDITIONS: &[(&str, Condition)] = &[
    ("START", Condition::Start),
    ("COMPLETE", Condition::Complete),
    ("SUCCESS", Condition::Success),
    ("HEALTHY", Condition::Healthy),
];

const PROTOCOLS: &[(&str, bool)] = &[("tcp", true), ("udp", false)];

pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Option<Read> {
    object(CONTAINER, CONTAINER_ECS_ONLY, |fields| {
        let name_span = fields.entry("name").map_or(fields.span.clone(), |entry| entry.node.span.clone());
        let name = fields.required("name", "give the container a name", container_name);
        let image = fields.required("image", "name its image", |decoder, node| {
            Some((values::raw_text(decoder, node)?.to_owned(), node.span.clone()))
        });
        // The name may be wrong: the rest is read all the same.
        let mut container = Container::new(name.clone().unwrap_or_default());
        container.essential = fields.optional("essential", values::boolean).unwrap_or(true);
        container.environment = fields.optional("environment", pairs("value")).unwrap_or_default();
        container.secrets = fields.optional("secrets", pairs("valueFrom")).unwrap_or_default();
        let mut secrets = BTreeMap::new();
        if let Some(entry) = fields.entry("secrets") {
            secrets = sources(&entry.node);
            let both = container.secrets.keys().filter(|name| container.environment.contains_key(*name));
            for name in both {
                let message = format!("{name} is in `environment` and in `secrets`");
                fields.decoder.incomplete(&entry.key_span, message, "remove it from `environment`");
            }
        }
        let ports = fields.optional("portMappings", values::list(port_mapping)).unwrap_or_default();
        container.ports = ports.into_iter().flatten().collect();
        container.entry_point = words(fields.optional("entryPoint", values::list(values::shell_text)));
        container.command = words(fields.optional("command", values::list(values::shell_text)));
        container.working_directory = fields.optional("workingDirectory", values::name);
        container.user = fields.optional("user", values::name);
        container.read_only_root =
            fields.optional("readonlyRootFilesystem", values::boolean).unwrap_or(false);
        container.health_check = fields.optional("healthCheck", health_check);
        let depends_on = fields.optional("dependsOn", values::list(dependency)).unwrap_or_default();
        let depends_on_spans = depends_on.iter().map(|(_, span)| span.clone()).collect();
        container.depends_on = depends_on.into_iter().map(|(dependency, _)| dependency).collect();
        let stop_timeout = fields.optional("stopTimeout", values::integer(0..=86_400));
        container.stop_timeout = stop_timeout.map_or(container.stop_timeout, Duration::from_secs);
        container.cpu_units = fields.optional("cpu", values::integer(0..=1_048_576)).filter(|cpu| *cpu > 0);
        container.memory_mib = fields.optional("memory", values::integer(4..=16_777_216));
        container.memory_reservation_mib =
            fields.optional("memoryReservation", values::integer(4..=16_777_216));
        if let (Some(hard), Some(soft)) = (container.memory_mib, container.memory_reservation_mib)
            && soft > hard
            && let Some(entry) = fields.entry("memoryReservation")
        {
            let message = format!("the soft limit {soft} is above the hard limit `memory` {hard}");
            fields.decoder.incomplete(&entry.node.span, message, "lower it, or raise `memory`");
        }
        let mounts = fields.optional("mountPoints", values::list(mount)).unwrap_or_default();
        let mount_spans = mounts.iter().map(|(_, span)| span.clone()).collect();
        container.mounts = mounts.into_iter().map(|(mount, _)| mount).collect();
        let linux = fields.optional("linuxParameters", linux_parameters);
        (container.tmpfs, container.shared_memory_mib, container.init_process) = linux.unwrap_or_default();
        container.ulimits = fields.optional("ulimits", values::list(ulimit)).unwrap_or_default();
        container.labels = fields.optional("dockerLabels", values::map(values::text)).unwrap_or_default();
        name?;
        let (depends_on, mounts) = (depends_on_spans, mount_spans);
        Some(Read { container, name: name_span, image, depends_on, mounts, secrets })
    })(decoder, node)
}

/// Where each secret variable of a list says what it is taken from.
fn sources(list: &Node) -> BTreeMap<String, Span> {
    let source = |item: &Node| {
        let name = item.get("name")?.as_str()?.to_owned();
        Some((name, item.get("valueFrom")?.span.clone()))
    };
    list.items().iter().filter_map(source).collect()
}

/// ECS documentation, "Container definition", name: letters, digits, underscores and hyphens, up to 255.
fn container_name(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let name = values::name(decoder, node)?;
    let valid = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if name.len() > 255 || !name.chars().all(valid) {
        let hint = "use up to 255 letters, digits, underscores and hyphens";
        decoder.bad_value(&node.span, format!("{name:?} is not a container's name"), hint);
        return None;
    }
    Some(name)
}

/// An empty list says the same as none.
fn words(words: Option<Vec<String>>) -> Option<Vec<String>> {
    words.filter(|words| !words.is_empty())
}

/// `[{"name": ..., "value": ...}]`, or with `valueFrom`.
fn pairs(value: &'static str) -> impl Fn(&mut Decoder<'_>, &Node) -> Option<BTreeMap<String, String>> {
    move |decoder, node| {
        if node.as_table().is_some() {
            let hint = format!("write [{{\"name\": \"NAME\", {value:?}: \"...\"}}]");
            decoder.wrong_type_hint(node, "a list", hint);
            return None;
        }
        let pair = object(&[], &[], |fields| {
            let name = fields.required("name", "name the variable", values::name);
            let text = fields.required(value, "give it a value", values::text);
            let span = fields.entry("name").map_or(fields.span.clone(), |entry| entry.node.span.clone());
            Some((name?, text?, span))
        });
        let mut map = BTreeMap::new();
        for (name, text, span) in values::list(pair)(decoder, node)? {
            if map.contains_key(&name) {
                decoder.incomplete(&span, format!("variable {name} is here twice"), "remove one of the two");
            }
            map.insert(name, text);
        }
        Some(map)
    }
}

/// The TCP port of a mapping, none for another protocol: that reaches ECS only.
fn port_mapping(decoder: &mut Decoder<'_>, node: &Node) -> Option<Vec<u16>> {
    object(&["appProtocol", "hostPort", "name"], &["containerPortRange"], |fields| {
        let tcp = fields.optional("protocol", values::choice(PROTOCOLS)).unwrap_or(true);
        let port = if fields.rest().any(|entry| entry.key == "containerPortRange") {
            fields.optional("containerPort", values::port)
        } else {
            Some(fields.required("containerPort", "name the port inside the container", values::port)?)
        };
        Some(port.filter(|_| tcp).into_iter().collect())
    })(decoder, node)
}

/// ECS documentation, "Health check": the ranges are ECS's.
fn health_check(decoder: &mut Decoder<'_>, node: &Node) -> Option<ContainerHealthCheck> {
    object(&[], &[], |fields| {
        let command = fields.required("command", "say what to run", |decoder, node| {
            let command = values::list(values::shell_text)(decoder, node)?;
            let kind = command.first().map_or("", String::as_str);
            let complete = if kind == "NONE" { command.len() == 1 } else { command.len() > 1 };
            if !matches!(kind, "CMD" | "CMD-SHELL" | "NONE") || !complete {
                let message =
                    "a health check's command begins with CMD or CMD-SHELL, and what to run follows";
                let hint =
                    r#"write it such as ["CMD-SHELL", "curl -f http://localhost:3000/health || exit 1"]"#;
                decoder.bad_value(&node.span, message, hint);
                return None;
            }
            Some(command)
        });
        let interval = fields.optional("interval", values::integer(5..=300)).unwrap_or(30);
        let timeout = fields.optional("timeout", values::integer(2..=60)).unwrap_or(5);
        let retries = fields.optional("retries", values::integer(1..=10)).unwrap_or(3);
        let start_period = fields.optional("startPeriod", values::integer(0..=300)).unwrap_or(0);
        Some(ContainerHealthCheck {
            command: command?,
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(timeout),
            retries,
            start_period: Duration::from_secs(start_period),
        })
    })(decoder, node)
}

fn dependency(decoder: &mut Decoder<'_>, node: &Node) -> Option<(Dependency, Span)> {
    object(&[], &[], |fields| {
        let container = fields.required("containerName", "name the other container", values::name);
        let hint = "write START, COMPLETE, SUCCESS or HEALTHY";
        let condition = fields.required("condition", hint, values::choice(CONDITIONS));
        let span = fields.entry("containerName").map_or(fields.span.clone(), |entry| entry.node.span.clone());
        Some((Dependency { container: container?, condition: condition? }, span))
    })(decoder, node)
}

fn mount(decoder: &mut Decoder<'_>, node: &Node) -> Option<(Mount, Span)> {
    object(&[], &[], |fields| {
        let volume = fields.required("sourceVolume", "name one of the task's `volumes`", values::name);
        let path = fields.required("containerPath", "say where the container sees it", absolute);
        let read_only = fields.optional("readOnly", values::boolean).unwrap_or(false);
        let span = fields.entry("sourceVolume").map_or(fields.span.clone(), |entry| entry.node.span.clone());
        Some((Mount { volume: volume?, path: path?, read_only }, span))
    })(decoder, node)
}

/// A path inside a Linux container.
fn absolute(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let path = values::name(decoder, node)?;
    if !path.starts_with('/') {
        decoder.bad_value(
            &node.span,
            format!("{path:?} is not an absolute path"),
            format!("write \"/{path}\""),
        );
        return None;
    }
    Some(path)
}

fn linux_parameters(decoder: &mut Decoder<'_>, node: &Node) -> Option<(Vec<Tmpfs>, Option<u32>, bool)> {
    object(&[], LINUX_ECS_ONLY, |fields| {
        let tmpfs = fields.optional("tmpfs", values::list(tmpfs)).unwrap_or_default();
        let shared_memory = fields.optional("sharedMemorySize", values::integer(1..=1_048_576));
        let init_process = fields.optional("initProcessEnabled", values::boolean).unwrap_or(false);
        Some((tmpfs, shared_memory, init_process))
    })(decoder, node)
}

fn tmpfs(decoder: &mut Decoder<'_>, node: &Node) -> Option<Tmpfs> {
    object(&[], &[], |fields| {
        let path = fields.required("containerPath", "say where the container sees it", absolute);
        let size_mib = fields.required("size", "give its size in MiB", values::integer(1..=1_048_576));
        let options = fields.optional("mountOptions", values::list(values::text)).unwrap_or_default();
        Some(Tmpfs { path: path?, size_mib: size_mib?, options })
    })(decoder, node)
}

fn ulimit(decoder: &mut Decoder<'_>, node: &Node) -> Option<Ulimit> {
    object(&[], &[], |fields| {
        let limit = || values::integer(-1..=i64::MAX);
        let name = fields.required("name", "name the limit, such as nofile", values::name);
        let soft = fields.required("softLimit", "give the soft limit", limit());
        let hard = fields.required("hardLimit", "give the hard limit", limit());
        Some(Ulimit { name: name?, soft: soft?, hard: hard? })
    })(decoder, node)
}
