//! Time that passes only by sleeping.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::clock::{Clock, after};

/// A clock that stands still until somebody sleeps, and then jumps: for one process at a time.
#[derive(Debug)]
pub struct MemoryClock {
    now: Mutex<Timestamp>,
}

impl Default for MemoryClock {
    /// Begins at an arbitrary fixed instant.
    fn default() -> Self {
        let start = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        Self { now: Mutex::new(start) }
    }
}

impl MemoryClock {
    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = after(*now, duration);
    }
}

#[async_trait]
impl Clock for MemoryClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        tokio::task::yield_now().await;
    }
}
