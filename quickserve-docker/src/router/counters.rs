//! What a release has answered, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use quickserve_core::release::ReleaseId;
use quickserve_core::traffic::Counters;

use super::histogram::Histogram;

/// The counters of one release.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) release: ReleaseId,
    requests: AtomicU64,
    server_errors: AtomicU64,
    unanswered: AtomicU64,
    retried: AtomicU64,
    latency: Histogram,
}

impl Tally {
    /// Goes on counting from there.
    pub(super) fn new(release: ReleaseId, counters: Counters) -> Self {
        Self {
            release,
            requests: counters.requests.into(),
            server_errors: counters.server_errors.into(),
            unanswered: counters.unanswered.into(),
            retried: counters.retried.into(),
            latency: counters.latency.into(),
        }
    }

    /// The task began to answer, after so long.
    pub(super) fn answered(&self, status: http::StatusCode, wait: Duration) {
        self.requests.fetch_add(1, Relaxed);
        self.latency.record(wait);
        if status.is_server_error() {
            self.server_errors.fetch_add(1, Relaxed);
        }
    }

    /// No task answered: the router did so itself, after so long.
    pub(super) fn unanswered(&self, wait: Duration) {
        self.requests.fetch_add(1, Relaxed);
        self.latency.record(wait);
        self.unanswered.fetch_add(1, Relaxed);
    }

    /// The task broke off in the middle of its answer, which has been counted as one already.
    pub(super) fn broke_off(&self) {
        self.unanswered.fetch_add(1, Relaxed);
    }

    /// The request was taken from this release's task and sent to another.
    pub(super) fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> Counters {
        Counters {
            requests: self.requests.load(Relaxed),
            server_errors: self.server_errors.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
            retried: self.retried.load(Relaxed),
            latency: self.latency.read(),
        }
    }
}
