//! The one place that reads the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time, and the time since the service began to listen.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose uptime begins now.
    #[expect(clippy::disallowed_methods, reason = "the example's own clock")]
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// How long the service has been listening.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Milliseconds since 1970, as JavaScript's `Date.now()`.
    #[expect(clippy::disallowed_methods, reason = "the example's own clock")]
    pub(crate) fn timestamp_ms() -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }
}
