//! One container's log, page by page.

use std::collections::VecDeque;

use aws_sdk_ecs::types::Container;
use jiff::Timestamp;
use quickserve_core::log::LogLine;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::{Error, Result};

use super::super::platform::Ecs;
use super::output::Stream;
use super::page::{From, Place, is_unwritten};

/// The log of one container.
#[derive(Debug)]
pub(in crate::ecs) struct Source {
    task: TaskId,
    release: Option<ReleaseId>,
    pub(super) container: String,
    stream: Stream,
    name: String,
    /// Where the next page begins.
    pub(super) from: From,
    /// Lines that were read and not told yet.
    pub(super) lines: VecDeque<LogLine>,
    /// Whether nothing more was written when it was looked at last.
    pub(super) is_at_end: bool,
    /// Whether there is nothing to be read of it, ever.
    pub(super) is_lost: bool,
}

impl Source {
    /// The log of a task's container from its beginning on; none where its stream has no name yet.
    pub(in crate::ecs) fn of(
        task: TaskId,
        release: Option<ReleaseId>,
        container: &Container,
        stream: &Stream,
    ) -> Option<Self> {
        let name = stream.name(container, &task.0)?;
        Some(Self {
            task,
            release,
            container: container.name()?.to_owned(),
            stream: stream.clone(),
            name,
            from: From::Head { since: None },
            lines: VecDeque::new(),
            is_at_end: false,
            is_lost: false,
        })
    }

    /// The next line that was read.
    pub(in crate::ecs) fn pop(&mut self) -> Option<LogLine> {
        self.lines.pop_front()
    }

    /// Has it looked at again, after it was at its end.
    pub(in crate::ecs) fn wake(&mut self) {
        self.is_at_end = false;
    }

    /// Why it is not to be had, for a person.
    pub(in crate::ecs) fn unread(&self, error: &Error) -> String {
        Place { stream: &self.stream, name: &self.name }.unread(error)
    }

    /// Reads on until there are lines, or there is nothing more.
    pub(in crate::ecs) async fn read(&mut self, ecs: &Ecs) -> Result<()> {
        while self.lines.is_empty() && !self.is_at_end {
            let read = match self.from.clone() {
                From::End { lines, since } => self.last(ecs, lines, since).await,
                from => self.next(ecs, &from).await,
            };
            match read {
                Err(error) if is_unwritten(&error) => self.is_at_end = true,
                read => read?,
            }
        }
        Ok(())
    }

    async fn next(&mut self, ecs: &Ecs, from: &From) -> Result<()> {
        let page = ecs.log_page(Place { stream: &self.stream, name: &self.name }, from).await?;
        // CloudWatch Logs API reference, `GetLogEvents`: at the end of the stream the token comes back.
        let (old, since) = match from {
            From::Next { token, since } => (Some(token), *since),
            From::Head { since } | From::End { since, .. } | From::Before { since, .. } => (None, *since),
        };
        self.is_at_end = page.forward.as_ref().is_none_or(|token| Some(token) == old);
        if let Some(token) = page.forward {
            self.from = From::Next { token, since };
        }
        self.take(page.lines);
        Ok(())
    }

    /// The last lines, page by page backwards; then it goes on from where the first of these pages ended.
    async fn last(&mut self, ecs: &Ecs, wanted: usize, since: Option<Timestamp>) -> Result<()> {
        let mut from = From::End { lines: wanted, since };
        let mut forward = None;
        let mut lines = VecDeque::new();
        loop {
            let page = ecs.log_page(Place { stream: &self.stream, name: &self.name }, &from).await?;
            forward = forward.or(page.forward);
            page.lines.into_iter().rev().for_each(|line| lines.push_front(line));
            let more = page
                .backward
                .filter(|token| !matches!(&from, From::Before { token: old, .. } if old == token));
            match more {
                Some(token) if lines.len() < wanted => from = From::Before { token, since },
                _ => break,
            }
        }
        // An event may have several lines.
        let lines = lines.split_off(lines.len().saturating_sub(wanted));
        self.is_at_end = true;
        self.from = forward.map_or(From::Head { since }, |token| From::Next { token, since });
        self.take(lines);
        Ok(())
    }

    fn take(&mut self, lines: impl IntoIterator<Item = (Option<Timestamp>, String)>) {
        let (task, release, container) = (&self.task, &self.release, &self.container);
        self.lines.extend(lines.into_iter().map(|(time, text)| LogLine {
            time,
            release: release.clone(),
            task: task.clone(),
            container: container.clone(),
            stream: None,
            text,
        }));
    }
}
