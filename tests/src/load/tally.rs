//! What was sent and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How many failures are told in full.
const TOLD: usize = 10;

/// What was sent and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests of every kind, WebSockets and event streams among them.
    pub sent: u64,
    /// Of them POST.
    pub posts: u64,
    /// Requests that failed, and streams that broke off.
    pub failed: u64,
    /// GET requests that their clients sent once more because a connection was lost.
    pub repeated: u64,
    /// Messages that came back over WebSockets.
    pub messages: u64,
    /// Events that came.
    pub events: u64,
    /// WebSockets and event streams that the service ended as it should.
    pub ended: u64,
    /// How often `GET /version` was answered by which version.
    pub versions: BTreeMap<String, u64>,
    /// The version that answered last.
    pub latest: Option<String>,
    /// The first failures in full.
    pub failures: Vec<Failed>,
}

impl Tally {
    pub(super) fn answered(&mut self, version: String) {
        self.latest = Some(version.clone());
        *self.versions.entry(version).or_default() += 1;
    }

    pub(super) fn fail(&mut self, failed: Failed) {
        self.failed += 1;
        if self.failures.len() < TOLD {
            self.failures.push(failed);
        }
    }

    /// What was counted since an earlier moment.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let fresh = |(version, count): (&String, &u64)| {
            let count = count - before.versions.get(version).copied().unwrap_or(0);
            (count > 0).then(|| (version.clone(), count))
        };
        Self {
            sent: self.sent - before.sent,
            posts: self.posts - before.posts,
            failed: self.failed - before.failed,
            repeated: self.repeated - before.repeated,
            messages: self.messages - before.messages,
            events: self.events - before.events,
            ended: self.ended - before.ended,
            versions: self.versions.iter().filter_map(fresh).collect(),
            latest: self.latest.clone(),
            failures: self.failures.iter().skip(before.failures.len()).cloned().collect(),
        }
    }
}

/// A request that got no complete 2xx answer, or the wrong one.
#[derive(Debug, Clone)]
pub struct Failed {
    /// How long after the beginning of the load.
    pub after: Duration,
    /// What it was.
    pub what: Kind,
    /// What came instead of an answer.
    pub why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {:.1} s of load: {}", self.what, self.after.as_secs_f64(), self.why)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The page.
    Home,
    /// Who answers.
    Version,
    /// A body that comes back.
    Echo,
    /// A body that is sent piece by piece and comes back.
    Upload,
    /// Messages that come back.
    WebSocket,
    /// Server-sent events.
    Events,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Home => "GET /",
            Self::Version => "GET /version",
            Self::Echo => "POST /echo",
            Self::Upload => "slow POST /echo",
            Self::WebSocket => "WebSocket",
            Self::Events => "GET /events",
        })
    }
}
