//! What is said through the control socket: one line of JSON for a call, one for its answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use quickserve_core::fence::{Epoch, Fence};
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Counters, Rule, Split, SplitVersion};
use quickserve_core::{Error, ErrorKind, Result, Retry};
use serde::{Deserialize, Serialize};

use super::listen::{ListenSpec, Listening};
use super::process::{Supervision, Upgrade};

/// The version of what is said. A router that is older or newer says so instead of guessing.
pub(super) const VERSION: u32 = 1;

/// What this router understands of what services ask for: it grows with each wish that routers from before would pass
/// over in silence.
pub(super) const LEVEL: u32 = RULES;

/// Since it knows rules.
const RULES: u32 = 1;

/// No line is longer than this.
pub(super) const MAX_LINE: u64 = 4 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) v: u32,
    /// Read in a second step, so that another version's calls do not hide its number.
    pub(super) call: serde_json::Value,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    Status,
    Shutdown {
        force: bool,
    },
    Configure {
        service: ServiceKey,
        fence: Fence,
        listen: Box<ListenSpec>,
    },
    Split {
        service: ServiceKey,
    },
    Raise {
        service: ServiceKey,
        fence: Fence,
    },
    Set {
        service: ServiceKey,
        fence: Fence,
        expect: SplitVersion,
        split: Split,
    },
    InFlight {
        service: ServiceKey,
    },
    Counters {
        service: ServiceKey,
    },
    Remove {
        service: ServiceKey,
        fence: Fence,
    },
    Upgrade(Upgrade),
    /// The caller offers to be the parent of a worker that has lost its own. The answer is the beginning of
    /// that conversation, or the end of the connection.
    Adopt,
    /// The parent ends and leaves its worker to the next one, such as a service manager's.
    Retire,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done,
    Status(Status),
    Listening(Listening),
    Split(Split, SplitVersion),
    Version(SplitVersion),
    InFlight(BTreeMap<TaskId, u64>),
    Counters(BTreeMap<ReleaseId, Counters>),
    Failed(Failure),
}

/// An error on its way through the socket.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    kind: String,
    temporary: bool,
    /// This error and what caused it, outermost first.
    causes: Vec<String>,
    hint: Option<String>,
}

/// How a router is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of QuickServe that it is.
    pub version: String,
    /// The process that serves: the worker, where there is a parent.
    pub pid: u32,
    /// For how long it has run, in seconds.
    pub uptime: u64,
    /// Whether it was started as the worker of a parent.
    #[serde(default)]
    pub worker: bool,
    /// The parent, while it lives.
    #[serde(default)]
    pub supervision: Option<Supervision>,
    /// Workers of before an upgrade that finish their last connections.
    #[serde(default)]
    pub followers: Vec<FollowerStatus>,
    /// Its services, sorted by name.
    pub services: Vec<ServiceStatus>,
    /// How many requests were for no service of their address, since a worker died last.
    #[serde(default)]
    pub unrouted: u64,
    /// What it understands of what services ask for; the higher, the more.
    #[serde(default)]
    pub level: u32,
}

impl Status {
    /// Whether it heeds such a rule: a router from before there were any takes all requests of the address.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when it does not, with what to do about it.
    pub fn understands(&self, rule: &Rule) -> Result<()> {
        if rule.is_any() || self.level >= RULES {
            return Ok(());
        }
        let message = format!(
            "the router of this machine is too old for [route] (version {}, this is {})",
            self.version,
            env!("CARGO_PKG_VERSION")
        );
        Err(Error::new(ErrorKind::Unsupported, message).with_hint("quickserve router upgrade"))
    }
}

/// A worker of before an upgrade that finishes its last connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowerStatus {
    /// Its process.
    pub pid: u32,
    /// The version of QuickServe that it is.
    pub version: String,
    /// How many connections it has.
    pub connections: usize,
}

/// How one service of a router is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Which service.
    pub service: ServiceKey,
    /// Where it listens, once configured.
    pub listening: Option<Listening>,
    /// What was asked for last.
    #[serde(default)]
    pub asked: Option<ListenSpec>,
    /// Where its metrics are shown, where they are.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
    /// Whether its public address speaks TLS.
    #[serde(default)]
    pub secure: bool,
    /// Why it does not listen there at the moment, if it does not. The router keeps trying.
    pub trouble: Option<String>,
    /// Whether that is about its preview alone: clients reach it all the same.
    #[serde(default)]
    pub only_preview: bool,
    /// The highest epoch seen.
    pub epoch: Epoch,
    /// Where requests go.
    pub split: Split,
    /// The split's version.
    pub split_version: SplitVersion,
    /// Requests and connections that each task still works on.
    pub in_flight: BTreeMap<TaskId, u64>,
    /// What each release has answered.
    pub counters: BTreeMap<ReleaseId, Counters>,
    /// Tasks that others are preferred to, and why.
    #[serde(default)]
    pub ailing: BTreeMap<TaskId, String>,
}

impl ServiceStatus {
    /// Which requests of its address it takes.
    pub fn rule(&self) -> Rule {
        self.asked.as_ref().map(|asked| asked.rule.clone()).unwrap_or_default()
    }

    /// Why no client reaches it on its public address, where that is so.
    pub fn closed(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| !self.only_preview)
    }
}

/// The names under which kinds of error go through the socket.
const KINDS: [(ErrorKind, &str); 10] = [
    (ErrorKind::Unexpected, "unexpected"),
    (ErrorKind::Invalid, "invalid"),
    (ErrorKind::NotFound, "not_found"),
    (ErrorKind::Conflict, "conflict"),
    (ErrorKind::Fenced, "fenced"),
    (ErrorKind::Busy, "busy"),
    (ErrorKind::Unavailable, "unavailable"),
    (ErrorKind::PermissionDenied, "permission_denied"),
    (ErrorKind::TimedOut, "timed_out"),
    (ErrorKind::Unsupported, "unsupported"),
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let name =
            KINDS.iter().find(|(kind, _)| *kind == error.kind()).map_or("unexpected", |(_, name)| name);
        Self {
            kind: name.to_owned(),
            temporary: error.is_temporary(),
            causes: error.causes(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        // A newer router may know kinds that we do not.
        let kind = KINDS.iter().find(|(_, name)| *name == failure.kind);
        let kind = kind.map_or(ErrorKind::Unexpected, |(kind, _)| *kind);
        let mut causes = failure.causes.into_iter();
        let message = causes.next().unwrap_or_else(|| "the router failed without a word".to_owned());
        let mut error = Error::new(kind, message);
        if failure.temporary {
            error = error.with_retry(Retry::Temporary);
        }
        if let Some(hint) = failure.hint {
            error = error.with_hint(hint);
        }
        match Cause::chain(causes) {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    }
}

/// A cause that came through the socket.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Cause {
    message: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    fn chain(causes: impl DoubleEndedIterator<Item = String>) -> Option<Self> {
        causes.rev().fold(None, |source, message| Some(Self { message, source: source.map(Box::new) }))
    }
}

/// A message as a line.
pub(super) fn line(message: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "put a control message into words").with_source(error)
    })?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_arrives_as_it_was_sent() {
        let sent = Error::new(ErrorKind::Conflict, "listen")
            .with_context("port", "80")
            .with_hint("choose another")
            .temporary()
            .with_source(Error::new(ErrorKind::Busy, "taken").with_source(std::io::Error::other("os error")));
        let causes = sent.causes();
        let line = serde_json::to_string(&Failure::from(sent)).expect("a line");
        let seen = Error::from(serde_json::from_str::<Failure>(&line).expect("a failure"));
        assert_eq!(seen.kind(), ErrorKind::Conflict);
        assert_eq!(seen.hint(), Some("choose another"));
        assert!(seen.is_temporary());
        assert_eq!(seen.causes(), causes);
    }
}
