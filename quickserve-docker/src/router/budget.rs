//! How many requests may be sent again: a part of all, so that tasks which fail are not given more work for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For how long a repeat counts.
const WINDOW: Duration = Duration::from_secs(10);

/// How many requests there are taken to be in that time at least: a few repeats are always possible.
const FEW: u64 = 150;

/// What was repeated of late. It costs a request that is not repeated nothing: their number is known anyway.
#[derive(Debug)]
pub(super) struct Budget(Mutex<VecDeque<Second>>);

/// What happened from some time on, until the next one.
#[derive(Debug)]
struct Second {
    began: Instant,
    /// How many requests there had been before.
    requests: u64,
    repeats: u64,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(VecDeque::from([Second { began: now, requests: 0, repeats: 0 }])))
    }

    /// Takes a repeat, where there is one left: so many percent of the requests of the last 10 s may be repeated.
    /// There have been `requests` so far.
    pub(super) fn take(&self, now: Instant, requests: u64, percent: u32) -> bool {
        let mut seconds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The first one that is left is where the window begins, or before.
        while seconds.get(1).is_some_and(|second| now.duration_since(second.began) >= WINDOW) {
            seconds.pop_front();
        }
        let recent = |second: &&Second| now.duration_since(second.began) < WINDOW;
        let repeats: u64 = seconds.iter().filter(recent).map(|second| second.repeats).sum();
        let lately = seconds.front().map_or(0, |first| {
            let since = requests.saturating_sub(first.requests);
            let (window, elapsed) = (WINDOW.as_millis(), now.duration_since(first.began).as_millis());
            // Of a longer time, the part that is the window's.
            u64::try_from(u128::from(since) * window / elapsed.max(window)).unwrap_or(u64::MAX)
        });
        if repeats >= lately.max(FEW).saturating_mul(percent.into()) / 100 {
            return false;
        }
        match seconds.back_mut() {
            Some(last) if now.duration_since(last.began) < Duration::from_secs(1) => last.repeats += 1,
            _ => seconds.push_back(Second { began: now, requests, repeats: 1 }),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many repeats are possible at once.
    fn taken(budget: &Budget, now: Instant, requests: u64, percent: u32) -> usize {
        (0..10_000).take_while(|_| budget.take(now, requests, percent)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_of_the_requests_of_the_last_seconds_may_be_repeated() {
        let (start, seconds) = (Instant::now(), Duration::from_secs);
        let budget = Budget::new(start);
        assert_eq!(taken(&budget, start, 3, 20), 30, "few requests");
        assert_eq!(taken(&budget, start + seconds(5), 1000, 20), 170, "200 without the first 30");
        assert_eq!(taken(&budget, start + seconds(10), 1000, 20), 30, "200 without the 170 of 5 s ago");
        assert_eq!(taken(&budget, start + seconds(40), 1000, 20), 30, "nothing happened since");
        assert_eq!(taken(&budget, start + seconds(80), 9000, 20), 400, "8,000 in 40 s are 2,000 in 10 s");
        assert_eq!(taken(&budget, start + seconds(200), 10_000, 0), 0);
    }
}
