//! `[router]`: what the local router asks of clients and tasks, and does for a service.

use std::time::Duration;

use crate::document::{Decoder, Fields, Node, values};
use crate::workload::size;

/// What the local router asks of clients and tasks, and does for a service. On Docker only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// How many connections of clients are open at a time, 1 to 1,000,000. Default: 10,000.
    pub connections: u32,
    /// How long the head of a request may be in bytes, 8 KiB to 1 MiB. Default: 64 KiB.
    pub head_size: u32,
    /// How long a connection may be idle, and reading a head may take. Default: 75 s.
    pub idle_timeout: Duration,
    /// How long a request's body may make no progress. Default: 60 s.
    pub upload_pause: Duration,
    /// How long a client may take nothing of its answer. Default: 60 s.
    pub download_pause: Duration,
    /// How long a task may take until it begins to answer, once it has the whole request. Default: 60 s. Zero:
    /// as long as it likes.
    pub answer_timeout: Duration,
    /// The port of this machine that shows the service's metrics. Default: none.
    pub metrics_port: Option<u16>,
    /// Whether each request is written to the router's access log. Default: no.
    pub access_log: bool,
    /// How many requests that a task took and did not answer may be sent again: a part of all, in percent.
    /// Default: 20.
    pub retry_budget: u32,
    /// After how many failed answers in a row other tasks of the release are preferred to a task, at most 1000.
    /// Default: 5. Zero: never.
    pub eject_after: u32,
    /// How often each task is asked whether it is well. Default: not at all.
    pub check_interval: Duration,
    /// Whether a client stays with the release that answered it first, while several serve. Default: no.
    pub sticky: bool,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_size: 64 * 1024,
            idle_timeout: Duration::from_secs(75),
            upload_pause: Duration::from_mins(1),
            download_pause: Duration::from_mins(1),
            answer_timeout: Duration::from_mins(1),
            metrics_port: None,
            access_log: false,
            retry_budget: 20,
            eject_after: 5,
            check_interval: Duration::ZERO,
            sticky: false,
        }
    }
}

pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> Router {
    let default = Router::default();
    Router {
        connections: fields
            .optional("connections", values::integer(1..=1_000_000))
            .unwrap_or(default.connections),
        head_size: fields.optional("head_size", head_size).unwrap_or(default.head_size),
        idle_timeout: fields.optional("idle_timeout", values::some_time).unwrap_or(default.idle_timeout),
        upload_pause: fields.optional("upload_pause", values::some_time).unwrap_or(default.upload_pause),
        download_pause: fields
            .optional("download_pause", values::some_time)
            .unwrap_or(default.download_pause),
        answer_timeout: fields.optional("answer_timeout", values::duration).unwrap_or(default.answer_timeout),
        metrics_port: fields.optional("metrics_port", values::port),
        access_log: fields.optional("access_log", values::boolean).unwrap_or(default.access_log),
        retry_budget: fields
            .optional("retry_budget", values::integer(0..=100))
            .unwrap_or(default.retry_budget),
        eject_after: fields.optional("eject_after", values::integer(0..=1000)).unwrap_or(default.eject_after),
        check_interval: fields.optional("check_interval", values::duration).unwrap_or(default.check_interval),
        sticky: fields.optional("sticky", values::boolean).unwrap_or(default.sticky),
    }
}

fn head_size(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    let bytes = size::bytes_text(decoder, node)?;
    if !(8 * 1024..=1024 * 1024).contains(&bytes) {
        let hint = "use \"8 KiB\" to \"1 MiB\"";
        decoder.bad_value(&node.span, format!("{bytes} bytes are out of range"), hint);
        return None;
    }
    Some(bytes)
}
