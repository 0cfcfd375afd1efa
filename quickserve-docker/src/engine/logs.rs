//! What containers wrote, and word of containers that start.

use std::collections::{BTreeMap, HashMap};

use bollard::container::LogOutput;
use bollard::query_parameters::{EventsOptionsBuilder, LogsOptionsBuilder};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use quickserve_core::Result;
use quickserve_core::text::plain;

use super::containers::label_filters;
use super::{Engine, Inspected, fault};
use crate::mask::masked;

/// What to read of a container's log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LogRequest {
    pub(crate) follow: bool,
    /// The last lines only.
    pub(crate) tail: Option<u32>,
    /// From this second on.
    pub(crate) since: Option<i64>,
}

/// One line of a log, control characters and all.
#[derive(Debug, Clone)]
pub(crate) struct LogFrame {
    pub(crate) time: Option<Timestamp>,
    pub(crate) is_stderr: bool,
    pub(crate) text: String,
}

impl Engine {
    /// Reads a container's log. The stream ends with it, or, when following, with the container.
    pub(crate) fn logs(
        &self,
        container: &str,
        request: LogRequest,
    ) -> impl Stream<Item = Result<LogFrame>> + Send + use<> {
        let tail = request.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let mut options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(request.follow)
            .tail(&tail);
        if let Some(since) = request.since.and_then(|since| i32::try_from(since).ok()) {
            options = options.since(since);
        }
        let what = format!("read the log of container {container}");
        self.docker
            .logs(container, Some(options.build()))
            .map_err(move |error| fault::to_core(what.clone(), error))
            .map_ok(frame)
    }

    /// The last lines of a container's log, in the order of their times, safe to show. One that cannot be read is
    /// empty.
    pub(crate) async fn log_tail(&self, container: &Inspected, lines: u32) -> Vec<LogFrame> {
        let request = LogRequest { tail: Some(lines), ..Default::default() };
        let frames = self.logs(&container.id, request);
        let mut frames: Vec<LogFrame> =
            frames.take(lines as usize).filter_map(|frame| async { frame.ok() }).collect().await;
        // The engine reads stdout and stderr apart, and hands them on as they come.
        frames.sort_by_key(|frame| frame.time);
        // Values are hidden first: what makes a line safe for a terminal changes it.
        for frame in &mut frames {
            frame.text = plain(&masked(&frame.text, &container.secrets));
        }
        frames
    }

    /// The ids of containers with these labels, whenever one starts.
    pub(crate) fn starts(
        &self,
        labels: &BTreeMap<String, String>,
    ) -> impl Stream<Item = Result<String>> + Send + use<> {
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("event", vec!["start".to_owned()]),
            ("label", label_filters(labels)),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        self.docker
            .events(Some(options))
            .map_err(|error| fault::to_core("follow the engine's events", error))
            .try_filter_map(|event| async move { Ok(event.actor.and_then(|actor| actor.id)) })
    }
}

fn frame(output: LogOutput) -> LogFrame {
    let is_stderr = matches!(output, LogOutput::StdErr { .. });
    let bytes = output.into_bytes();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let (time, text) = match text.split_once(' ') {
        Some((time, rest)) => match time.parse() {
            Ok(time) => (Some(time), rest),
            Err(_) => (None, text),
        },
        None => match text.parse() {
            Ok(time) => (Some(time), ""),
            Err(_) => (None, text),
        },
    };
    LogFrame { time, is_stderr, text: text.to_owned() }
}
