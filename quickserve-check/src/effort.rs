//! How much longer one piece of work takes than another. A wall time alone says more of the machine than of the code.

use std::time::Duration;

/// Asserts that `work` takes at most so many times as long as `base`: the best of three of each, in turns, and never
/// less than a millisecond for the base.
pub(crate) fn assert_at_most(times: u32, base: impl Fn(), work: impl Fn()) {
    let best = |measured: [Duration; 3]| measured.into_iter().min().unwrap_or_default();
    let rounds = [0, 1, 2].map(|_| (measure(&base), measure(&work)));
    let base = best(rounds.map(|(base, _)| base)).max(Duration::from_millis(1));
    let work = best(rounds.map(|(_, work)| work));
    assert!(work <= base * times, "{work:?} is more than {times} times {base:?}");
}

#[expect(clippy::disallowed_methods, reason = "a test that compares two times of one run")]
fn measure(work: impl Fn()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}
