//! How long requests waited for their answers, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use quickserve_core::latency::Latency;

/// A [`Latency`] that is added to from many threads.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [AtomicU64; Latency::CLASSES],
    microseconds: AtomicU64,
}

impl Histogram {
    pub(super) fn record(&self, wait: Duration) {
        self.counts[Latency::class(wait)].fetch_add(1, Relaxed);
        self.microseconds.fetch_add(microseconds(wait), Relaxed);
    }

    pub(super) fn read(&self) -> Latency {
        let counts = self.counts.each_ref().map(|count| count.load(Relaxed));
        Latency::new(counts, Duration::from_micros(self.microseconds.load(Relaxed)))
    }
}

impl From<Latency> for Histogram {
    fn from(latency: Latency) -> Self {
        Self {
            counts: latency.counts().map(AtomicU64::new),
            microseconds: microseconds(latency.total()).into(),
        }
    }
}

fn microseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)
}
