//! One request as the access log tells of it: no value of a field, no query, nothing of a body.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, Version};
use hyper::body::{Body, Frame, SizeHint};
use jiff::Timestamp;
use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::writer::AccessLog;
use crate::router::body::Download;
use crate::router::traffic::Claim;

/// No host and no path is written at greater length.
const MAX_HOST: usize = 255;
const MAX_PATH: usize = 1024;

/// One request, as far as it has come.
#[derive(Debug, Serialize)]
pub(in crate::router) struct Entry {
    #[serde(serialize_with = "to_milliseconds")]
    time: Timestamp,
    /// None when it is no service's.
    service: Option<String>,
    #[serde(serialize_with = "as_text")]
    method: Method,
    host: Option<String>,
    path: String,
    protocol: &'static str,
    /// None when the client went away before there was an answer.
    status: Option<u16>,
    /// The last task that it was given to, and that task's release.
    release: Option<ReleaseId>,
    task: Option<TaskId>,
    /// How often it was taken from one task and given to another.
    retries: u32,
    /// Of the answer's body.
    bytes: u64,
    /// Whether the client got all of it.
    complete: bool,
    #[serde(rename = "duration", serialize_with = "in_seconds")]
    lasted: Duration,
    #[serde(skip)]
    began: Instant,
}

impl Entry {
    /// Of a request that has just come.
    pub(in crate::router) fn new<B>(service: Option<&ServiceKey>, request: &Request<B>) -> Self {
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let host = authority.or_else(|| request.headers().get(HOST)?.to_str().ok());
        Self {
            time: SystemClock.now(),
            service: service.map(ToString::to_string),
            method: request.method().clone(),
            host: host.map(|host| beginning(host, MAX_HOST)),
            path: beginning(request.uri().path(), MAX_PATH),
            protocol: match request.version() {
                Version::HTTP_2 => "HTTP/2",
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            status: None,
            release: None,
            task: None,
            retries: 0,
            bytes: 0,
            complete: false,
            lasted: Duration::ZERO,
            began: Instant::now(),
        }
    }

    /// It is given to a task.
    pub(in crate::router) fn given_to(&mut self, claim: &Claim) {
        self.release = Some(claim.tally.release.clone());
        self.task = Some(claim.upstream.task.clone());
    }

    /// It was taken from a task, for another one.
    pub(in crate::router) fn retried(&mut self) {
        self.retries += 1;
    }
}

/// Writes a request down when it is dropped: the answer has come to its end, or the client has gone away.
#[derive(Debug)]
pub(in crate::router) struct Logged {
    entry: Option<Box<Entry>>,
    log: AccessLog,
}

impl Logged {
    pub(in crate::router) fn new(entry: Entry, log: &AccessLog) -> Self {
        Self { entry: Some(Box::new(entry)), log: log.clone() }
    }

    pub(in crate::router) fn entry(&mut self) -> Option<&mut Entry> {
        self.entry.as_deref_mut()
    }

    /// Follows the answer on its way to the client.
    pub(in crate::router) fn follow(mut self, answer: Response<Download>) -> Response<Download> {
        if let Some(entry) = self.entry() {
            entry.status = Some(answer.status().as_u16());
        }
        answer.map(|body| Download::Logged(Box::new(Followed { body, logged: self })))
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.lasted = entry.began.elapsed();
            self.log.write(entry);
        }
    }
}

/// An answer's body whose bytes are counted.
#[derive(Debug)]
pub(in crate::router) struct Followed {
    body: Download,
    logged: Logged,
}

impl Followed {
    pub(in crate::router) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(entry) = self.logged.entry() {
            match &frame {
                Some(Ok(frame)) => {
                    entry.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    entry.complete = frame.is_trailers();
                }
                Some(Err(_)) => {}
                None => entry.complete = true,
            }
        }
        Poll::Ready(frame)
    }

    pub(in crate::router) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(in crate::router) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        // Whoever is told that nothing follows does not ask again.
        let ended = self.body.is_end_stream();
        if let Some(entry) = self.logged.entry() {
            entry.complete |= ended;
        }
    }
}

fn beginning(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}

fn to_milliseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn in_seconds<S: Serializer>(lasted: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((lasted.as_secs_f64() * 1e6).round() / 1e6)
}
