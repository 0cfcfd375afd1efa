//! `health_check`: when a task counts as healthy.

use std::time::Duration;

use crate::document::{Decoder, Node, Value, table, values};
use crate::workload::{HealthGate, Probe};

/// When a task counts as healthy: what the file says of it, over what the workload implies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthCheck {
    /// What one probe does; without one, what the workload implies.
    pub probe: Option<Probe>,
    /// The container's port to probe. It must be the port that takes requests.
    pub port: Option<u16>,
    /// For one probe.
    pub timeout: Option<Duration>,
    /// From the task's start, in which failed probes do not count.
    pub grace: Option<Duration>,
    /// Successes in a row that make a task healthy.
    pub healthy_threshold: Option<u32>,
    /// Failures in a row, after the grace, that fail a task.
    pub unhealthy_threshold: Option<u32>,
}

impl HealthCheck {
    /// Puts what is said here over a gate that is implied.
    pub fn over(&self, mut gate: HealthGate) -> HealthGate {
        gate.timeout = self.timeout.unwrap_or(gate.timeout);
        gate.grace = self.grace.unwrap_or(gate.grace);
        gate.healthy_threshold = self.healthy_threshold.unwrap_or(gate.healthy_threshold);
        gate.unhealthy_threshold = self.unhealthy_threshold.unwrap_or(gate.unhealthy_threshold);
        gate
    }
}

/// Reads `"/health"`, `"tcp"`, or a table with one of `path`, `tcp`, `stays`.
pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Option<HealthCheck> {
    if let Value::String(text) = &node.value {
        let probe = if text == "tcp" { Probe::Tcp } else { Probe::Http { path: path(decoder, node)? } };
        return Some(HealthCheck { probe: Some(probe), ..HealthCheck::default() });
    }
    if node.as_table().is_none() {
        let hint = "write a path such as \"/health\", or \"tcp\"";
        decoder.wrong_type_hint(node, "a path or a table", hint);
        return None;
    }
    table(|fields| {
        let http = fields.optional("path", path).map(|path| Probe::Http { path });
        let tcp = fields.optional("tcp", values::boolean).filter(|tcp| *tcp).map(|_| Probe::Tcp);
        let stays = fields.optional("stays", values::some_time).map(|duration| Probe::Stays { duration });
        let mut probes: Vec<Probe> = [http, tcp, stays].into_iter().flatten().collect();
        if probes.len() > 1 {
            let hint = "keep the one that is meant";
            fields.decoder.incomplete(&fields.span, "more than one of `path`, `tcp` and `stays`", hint);
        }
        Some(HealthCheck {
            probe: probes.pop(),
            port: fields.optional("port", values::port),
            timeout: fields.optional("timeout", values::some_time),
            grace: fields.optional("grace", values::duration),
            healthy_threshold: fields.optional("healthy_threshold", values::integer(1..=100)),
            unhealthy_threshold: fields.optional("unhealthy_threshold", values::integer(1..=100)),
        })
    })(decoder, node)
}

/// The path of a request.
pub(super) fn path(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = values::text(decoder, node)?;
    let sendable = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if text.starts_with('/') && text.bytes().all(sendable) {
        return Some(text);
    }
    let hint = if text.starts_with('/') {
        "write spaces and other special characters percent-encoded, such as %20".to_owned()
    } else if text.contains("://") {
        "write only the path, such as \"/health\"".to_owned()
    } else {
        format!("write \"/{}\"", text.trim())
    };
    decoder.bad_value(&node.span, format!("{text:?} is not a path"), hint);
    None
}
