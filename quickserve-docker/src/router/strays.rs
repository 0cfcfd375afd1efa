//! Requests that are for no service of their address: answered, counted, and written down where one of them asks for
//! that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::{Request, Response};

use super::access_log::{AccessLog, Entry, Logged};
use super::answer;
use super::body::Download;

/// What becomes of them, in all of a process.
#[derive(Debug, Clone)]
pub(super) struct Strays {
    count: Arc<AtomicU64>,
    log: AccessLog,
}

impl Strays {
    pub(super) fn new(log: AccessLog) -> Self {
        Self { count: Arc::default(), log }
    }

    /// How many there have been.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    pub(super) fn answer<B>(
        &self,
        request: &Request<B>,
        is_logged: bool,
        leaving: bool,
    ) -> Response<Download> {
        self.count.fetch_add(1, Relaxed);
        let logged = is_logged.then(|| Logged::new(Entry::new(None, request), &self.log));
        let answer = answer::nobody(leaving);
        match logged {
            Some(logged) => logged.follow(answer),
            None => answer,
        }
    }
}
