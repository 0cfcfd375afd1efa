//! One page of a log stream.

use jiff::Timestamp;
use quickserve_core::text::plain;
use quickserve_core::{Error, ErrorKind, Result};

use super::super::platform::Ecs;
use super::hidden::hidden;
use super::output::Stream;
use crate::error::{Call, call};

const GET: Call = call("logs", "GetLogEvents");
/// `CloudWatch` Logs API reference, `GetLogEvents`: at most 10,000 events, which is what it answers without a limit.
const MOST: usize = 10_000;

/// A stream by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) stream: &'a Stream,
    pub(super) name: &'a str,
}

/// Where a page begins.
#[derive(Debug, Clone)]
pub(super) enum From {
    /// The last lines, of those that were written since then.
    End { lines: usize, since: Option<Timestamp> },
    /// What was written since then, or from the beginning on.
    Head { since: Option<Timestamp> },
    /// Where another page ended, whose bounds hold for it too.
    Next { token: String, since: Option<Timestamp> },
    /// Before another page.
    Before { token: String, since: Option<Timestamp> },
}

/// Lines as they may be shown, and where to go on.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) lines: Vec<(Option<Timestamp>, String)>,
    pub(super) forward: Option<String>,
    pub(super) backward: Option<String>,
}

impl Ecs {
    /// A page of a stream. One that is empty need not be the end: that is where a page's token comes back.
    pub(super) async fn log_page(&self, place: Place<'_>, from: &From) -> Result<Page> {
        let Place { stream, name } = place;
        let clients = match &stream.region {
            Some(region) => self.clients().in_region(region),
            None => self.clients().clone(),
        };
        let request = clients.logs().get_log_events().log_group_name(&stream.group).log_stream_name(name);
        let request = match from {
            From::End { lines, since } => {
                let limit = i32::try_from((*lines).clamp(1, MOST)).unwrap_or(i32::MAX);
                request
                    .start_from_head(false)
                    .limit(limit)
                    .set_start_time(since.map(Timestamp::as_millisecond))
            }
            From::Head { since } => {
                request.start_from_head(true).set_start_time(since.map(Timestamp::as_millisecond))
            }
            // The API reference wants `startFromHead` beside a forward token.
            From::Next { token, since } => {
                let since = since.map(Timestamp::as_millisecond);
                request.start_from_head(true).next_token(token).set_start_time(since)
            }
            From::Before { token, since } => {
                request.next_token(token).set_start_time(since.map(Timestamp::as_millisecond))
            }
        };
        let answer = request.send().await.map_err(|error| GET.failed(error))?;
        let mut lines = Vec::new();
        for event in answer.events() {
            let time = event.timestamp().and_then(|at| Timestamp::from_millisecond(at).ok());
            // Values are hidden first: what makes a line safe for a terminal changes it.
            let text = event.message().unwrap_or_default().lines();
            lines.extend(text.map(|line| (time, plain(&hidden(line, &stream.secrets)))));
        }
        Ok(Page { lines, forward: answer.next_forward_token, backward: answer.next_backward_token })
    }
}

impl Place<'_> {
    /// Why its lines are not to be had, for a person.
    pub(super) fn unread(self, error: &Error) -> String {
        let Self { stream: Stream { group, .. }, name } = self;
        let text = error.to_string();
        match error.kind() {
            _ if is_unwritten(error) => {
                format!("it wrote nothing to its log: log group {group} has no stream {name}")
            }
            ErrorKind::NotFound => format!("its log is lost: log group {group} does not exist"),
            _ => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("its log could not be read: {text}{hint}")
            }
        }
    }
}

/// Whether a stream is not there: who has written nothing yet has none.
pub(super) fn is_unwritten(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.to_string().contains("log stream")
}
