//! Ports: places that disagree about one, ports of the host that only one task can take, two containers on one port.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Excerpt, Finding, Place};

use super::listener::Listener;
use super::{Container, Definition, Network, discretion};
use crate::{Subject, Text};

/// What one place says of the port that a container listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortClaim {
    /// The port.
    pub port: u16,
    /// Where it is said.
    pub place: Place,
    /// What says it, as it stands before "is 3000", such as `EXPOSE of Dockerfile`.
    pub what: String,
    /// What kind of place it is.
    pub weight: Weight,
    excerpt: Option<Excerpt>,
}

/// What hangs on a [`PortClaim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Requests go there: `containerPort`.
    Requests,
    /// A program that reads `PORT` listens there. Many, such as nginx, do not.
    Convention,
    /// A program listens there, whatever `PORT` says.
    Listens,
    /// A health check asks there.
    Health,
    /// Nothing: EXPOSE opens no port.
    Nothing,
}

impl PortClaim {
    /// A claim in a file on which nothing hangs.
    pub fn new(file: &Text, span: &Span, port: u16, what: impl Into<String>) -> Self {
        let source = file.source();
        let excerpt = (!discretion::hides(file, span)).then(|| source.excerpt(span));
        Self { port, place: source.place(span.start), what: what.into(), weight: Weight::Nothing, excerpt }
    }

    /// The same with something that hangs on it.
    #[must_use]
    pub fn with(self, weight: Weight) -> Self {
        Self { weight, ..self }
    }
}

/// What a definition says of the port of one of its containers: `containerPort`, `PORT` and the health check's URL.
///
/// Of a container with several ports, the others are left out where a claim agrees with one of them.
pub fn claims(definition: &Definition, container: Container<'_>) -> Vec<PortClaim> {
    let ranges =
        container.items("portMappings").iter().any(|mapping| mapping.get("containerPortRange").is_some());
    if ranges {
        return Vec::new();
    }
    let (file, name) = (&definition.file, container.name());
    let declared: Vec<PortClaim> = (container.ports().into_iter())
        .map(|(port, span)| {
            PortClaim::new(file, &span, port, format!("containerPort of {name}")).with(Weight::Requests)
        })
        .collect();
    let variable = variables(definition, container).map(|(port, span)| {
        PortClaim::new(file, &span, port, format!("PORT of {name}")).with(Weight::Convention)
    });
    // In a shared network, a check may well ask the port of another container.
    let shared = matches!(definition.network(), Network::Awsvpc | Network::Host);
    let others = |port: u16| shared && listens_elsewhere(definition, container, port);
    let health = container.health_url().filter(|url| !others(url.port));
    let health = health.map(|url| {
        let what = format!("the port that the health check of {name} asks");
        PortClaim::new(file, &url.span, url.port, what).with(Weight::Health)
    });
    let said: Vec<PortClaim> = variable.chain(health).collect();
    let agreed = declared.iter().position(|port| said.iter().any(|claim| claim.port == port.port));
    let several = declared.len() > 1;
    let said =
        said.into_iter().filter(|claim| !several || declared.iter().all(|port| port.port != claim.port));
    let said: Vec<PortClaim> = said.collect();
    declared.into_iter().nth(agreed.unwrap_or(0)).into_iter().chain(said).collect()
}

/// What `PORT` says, as a number with its place.
fn variables<'d>(
    definition: &'d Definition,
    container: Container<'d>,
) -> impl Iterator<Item = (u16, Span)> + 'd {
    let named = container.environment().into_iter().filter(|(name, ..)| *name == "PORT");
    named.filter_map(|(_, value, _)| {
        Some((definition.filled(value)?.trim().parse().ok()?, value.span.clone()))
    })
}

fn listens_elsewhere(definition: &Definition, container: Container<'_>, port: u16) -> bool {
    let others = definition.containers().into_iter().filter(|other| other.name() != container.name());
    let mut ports = others.flat_map(|other| other.ports().into_iter().chain(variables(definition, other)));
    ports.any(|(other, _)| other == port)
}

/// Says where claims about one port differ from what most of them say; the first of them decides a tie.
///
/// It is an error where requests, or the health check, surely go where the program does not listen.
pub fn disagree(claims: &[PortClaim], listener: &Listener) -> Vec<Finding> {
    let votes = |port: u16| claims.iter().filter(|claim| claim.port == port).count();
    let Some(most) = claims.iter().map(|claim| votes(claim.port)).max() else { return Vec::new() };
    let Some(meant) = claims.iter().find(|claim| votes(claim.port) == most) else { return Vec::new() };
    let others = claims.iter().filter(|claim| claim.port != meant.port);
    let finding = |claim: &PortClaim| {
        let says = |port: u16, weight: Weight| {
            claims.iter().find(move |other| other.port == port && other.weight == weight)
        };
        // What most places say is told by the one that counts.
        let weights = [Weight::Requests, Weight::Listens, Weight::Convention];
        let told = weights.into_iter().find_map(|weight| says(meant.port, weight)).unwrap_or(meant);
        let is_certain = match (claim.weight, told.weight) {
            (Weight::Convention, Weight::Requests) => {
                listener.reads_port && says(told.port, Weight::Health).is_none()
            }
            (Weight::Requests, Weight::Convention) => listener.reads_port,
            (Weight::Requests, Weight::Listens) | (Weight::Listens, Weight::Requests) => true,
            (Weight::Health, Weight::Requests) => {
                let listens_there = listener.reads_port && says(told.port, Weight::Convention).is_some();
                listens_there && !listener.named.contains(&claim.port)
            }
            _ => false,
        };
        let message = format!("{} is {}, and {} is {}", claim.what, claim.port, told.what, told.port);
        let hint = "name the one port that the application listens on in both";
        let severity = if is_certain { Finding::error } else { warning };
        let finding = severity(Code::PORT_MISMATCH, message).at(claim.place.clone()).with_hint(hint);
        claim.excerpt.iter().cloned().fold(finding, Finding::with_excerpt)
    };
    others.map(finding).collect()
}

fn warning(code: Code, message: String) -> Finding {
    Finding::new(code, quickserve_core::finding::Severity::Warning, message)
}

/// What each container's own places say of its port.
pub(super) fn mismatches(definition: &Definition, listener: &Listener) -> Vec<Finding> {
    let containers = definition.containers().into_iter();
    containers.flat_map(|container| disagree(&claims(definition, container), listener)).collect()
}

/// ECS documentation, "Task definition parameters", host port: a port that is written is reserved on the instance
/// while the task runs, and in network mode `host` no instance runs the task twice.
pub(super) fn static_host_ports(definition: &Definition, _: &Subject) -> Vec<Finding> {
    if definition.is_for_fargate() {
        return Vec::new();
    }
    let file = &definition.file;
    let mappings = definition.containers().into_iter().flat_map(|container| container.mappings());
    let fixed = |mapping: super::Mapping| match (definition.network(), mapping.host) {
        (Network::Bridge, Some((port, span))) if port != 0 => Some((port, span)),
        (Network::Host, _) => Some(mapping.container),
        _ => None,
    };
    let finding = |(port, span): (u16, Span)| {
        let message =
            format!("port {port} of the host is taken by one task: a second one needs another instance");
        let hint = match definition.network() {
            Network::Host => "use the network mode awsvpc, where each task has an address of its own",
            _ => {
                "leave out hostPort, so that ECS chooses a free one; a daemon, of which an instance has one, may keep it"
            }
        };
        file.warning(Code::STATIC_HOST_PORT, &span, message).with_hint(hint)
    };
    mappings.filter_map(fixed).map(finding).collect()
}

/// Containers that share a network, or a port of the host, cannot share a port.
pub(super) fn taken_twice(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let network = definition.network();
    let mut taken: Vec<(u16, bool, &str)> = Vec::new();
    let mut findings = Vec::new();
    for container in definition.containers() {
        for mapping in container.mappings() {
            let port = match network {
                Network::Awsvpc | Network::Host => Some(mapping.container),
                Network::Bridge => mapping.host.filter(|(port, _)| *port != 0),
                Network::Other => None,
            };
            let Some((port, span)) = port else { continue };
            let (udp, name) = (mapping.udp, container.name());
            let first = taken.iter().find(|(other, kind, _)| (*other, *kind) == (port, udp));
            if let Some((_, _, first)) = first.filter(|(_, _, first)| *first != name) {
                let message = format!("{name} and {first} both take port {port}, and the task has it once");
                let hint = "give one of the containers another port";
                findings.push(definition.file.error(Code::PORT_TWICE, &span, message).with_hint(hint));
            }
            taken.push((port, udp, name));
        }
    }
    findings
}
