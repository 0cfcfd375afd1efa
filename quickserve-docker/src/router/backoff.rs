//! How long something that failed is left alone: longer each time that it fails again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// The first time, in milliseconds; then twice as long each time.
const FIRST_MS: u64 = 500;

/// Never longer than this.
const LONGEST_MS: u64 = 10_000;

/// Whether something is left alone, and until when. Times are milliseconds of the owner's clock.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Plus one; 0 when it is not left alone.
    until: AtomicU64,
    /// How often it was tried since it began to be left alone.
    trials: AtomicU32,
}

impl Backoff {
    /// It failed, and is left alone from now on. Answers whether it was not before.
    pub(super) fn begin(&self, now: u64) -> bool {
        if self.until.compare_exchange(0, now + FIRST_MS + 1, Relaxed, Relaxed).is_err() {
            // Only a trial says something new.
            return false;
        }
        self.trials.store(0, Relaxed);
        true
    }

    /// It is well. Answers whether it was left alone before.
    pub(super) fn end(&self) -> bool {
        self.until.load(Relaxed) != 0 && self.until.swap(0, Relaxed) != 0
    }

    /// Whether it is left alone, or is just being tried.
    pub(super) fn is_on(&self) -> bool {
        self.until.load(Relaxed) != 0
    }

    /// Whether it may be tried, `grace` later than others might.
    pub(super) fn is_due(&self, now: impl FnOnce() -> u64, grace: u64) -> bool {
        let until = self.until.load(Relaxed);
        until == 0 || now() + 1 >= until + grace
    }

    /// Takes the trial that is due, so that nobody else does before it has had its time. Answers whether it was
    /// still to be had.
    pub(super) fn take(&self, now: impl FnOnce() -> u64) -> bool {
        let until = self.until.load(Relaxed);
        if until == 0 {
            return true;
        }
        let trials = self.trials.load(Relaxed) + 1;
        let wait = LONGEST_MS.min(FIRST_MS.saturating_mul(1 << trials.min(10)));
        let taken = self.until.compare_exchange(until, now() + wait + 1, Relaxed, Relaxed).is_ok();
        if taken {
            self.trials.store(trials, Relaxed);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trial_that_fails_makes_the_next_wait_twice_as_long() {
        let backoff = Backoff::default();
        assert!(backoff.is_due(|| 0, 0) && !backoff.is_on());
        assert!(backoff.begin(0));
        let mut now = 0;
        for wait in [500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
            assert!(!backoff.begin(now), "failures of requests that were under way say nothing new");
            assert!(!backoff.is_due(|| now + wait - 1, 0), "{wait}");
            assert!(!backoff.is_due(|| now + wait, 1), "{wait}");
            now += wait;
            assert!(backoff.is_due(|| now, 0) && backoff.take(|| now), "{wait}");
            assert!(!backoff.is_due(|| now, 0), "one at a time");
        }
        assert!(backoff.end() && !backoff.end());
        assert!(backoff.begin(now) && backoff.is_due(|| now + 500, 0), "it begins anew");
    }
}
