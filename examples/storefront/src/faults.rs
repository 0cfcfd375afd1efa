//! Failure switches: what goes wrong, when, and for which requests.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::output;
use crate::parse::Share;

/// The switches as they were set; by default nothing fails.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Switches {
    /// Exit before listening.
    pub(crate) crash_at_start: bool,
    /// Exit this long after listening began.
    pub(crate) crash_after: Option<Duration>,
    /// The exit code of either crash.
    pub(crate) crash_code: u8,
    /// Wait this long before listening.
    pub(crate) start_delay: Duration,
    /// Be unhealthy for this long after listening began.
    pub(crate) healthy_delay: Duration,
    /// Never be healthy.
    pub(crate) never_healthy: bool,
    /// Be healthy for the first half of this period, unhealthy for the second, and so on.
    pub(crate) health_flap: Option<Duration>,
    /// Answer `/health` and `/ready` this much later.
    pub(crate) health_latency: Duration,
    /// Answer every other request this much later.
    pub(crate) latency: Duration,
    /// Answer this share of the other requests with 500.
    pub(crate) errors: Option<Share>,
    /// Be deaf to SIGTERM.
    pub(crate) ignore_sigterm: bool,
    /// Leak this much memory.
    pub(crate) leak_mib_per_second: u16,
    /// Write so many numbered lines to the log.
    pub(crate) log_lines_per_second: u16,
    /// Write terminal escapes to the log.
    pub(crate) log_escapes: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            crash_at_start: false,
            crash_after: None,
            crash_code: 1,
            start_delay: Duration::ZERO,
            healthy_delay: Duration::ZERO,
            never_healthy: false,
            health_flap: None,
            health_latency: Duration::ZERO,
            latency: Duration::ZERO,
            errors: None,
            ignore_sigterm: false,
            leak_mib_per_second: 0,
            log_lines_per_second: 0,
            log_escapes: false,
        }
    }
}

impl Switches {
    /// The switch that makes the service unhealthy after it has been up for so long, if one does.
    pub(crate) fn unhealthy(&self, uptime: Duration) -> Option<&'static str> {
        if self.never_healthy {
            return Some("STOREFRONT_FAIL_NEVER_HEALTHY");
        }
        if uptime < self.healthy_delay {
            return Some("STOREFRONT_FAIL_HEALTHY_DELAY");
        }
        let period = self.health_flap?.as_nanos();
        (uptime.as_nanos() % period >= period / 2).then_some("STOREFRONT_FAIL_HEALTH_FLAP")
    }
}

/// Says which requests fail: of any first `n`, exactly `n` times the share, rounded down, spread evenly.
///
/// A counter and not a random number, so that a rehearsal ends the same way each time.
#[derive(Debug)]
pub(crate) struct Failing {
    share: u64,
    sum: AtomicU64,
}

impl Failing {
    const WHOLE: u64 = 1_000_000;

    /// A counter that begins at the first request.
    pub(crate) fn new(share: Option<Share>) -> Self {
        Self { share: share.map_or(0, |share| u64::from(share.parts_per_million())), sum: AtomicU64::new(0) }
    }

    /// Whether the next request fails: it does when the sum of the shares passes a whole number.
    pub(crate) fn next(&self) -> bool {
        let before = self.sum.fetch_add(self.share, Ordering::Relaxed);
        before / Self::WHOLE != before.wrapping_add(self.share) / Self::WHOLE
    }
}

/// Leaks memory for ever, ten times a second, and touches every page so that it counts.
pub(crate) async fn leak(mib_per_second: u16) {
    let step = usize::from(mib_per_second) * 1024 * 1024 / 10;
    let mut leaked: Vec<Vec<u8>> = Vec::new();
    let mut ticks = interval(Duration::from_millis(100));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        leaked.push(vec![0xA5; step]);
        black_box(&leaked);
    }
}

/// Floods the log for ever, a hundred times a second, with lines whose numbers show whether one is missing.
pub(crate) async fn flood(lines_per_second: u16) {
    let mut ticks = interval(Duration::from_millis(10));
    // What was missed is made up for: the rate is what is asked for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut owed, mut number) = (0, 0_u64);
    loop {
        ticks.tick().await;
        owed += u64::from(lines_per_second);
        for _ in 0..owed / 100 {
            number += 1;
            output::line(&format!("flood {number} (STOREFRONT_FAIL_LOG_LINES_PER_SECOND)"));
        }
        owed %= 100;
    }
}

/// A line that would change colours, title and clipboard of a terminal that shows it as it is, and clear it.
pub(crate) const ESCAPES: &str = "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}\u{1b}]52;c;b3duZWQ=\u{7}\u{1b}[2J\
                                  \u{9b}31m back\u{8}\u{8}\rover (STOREFRONT_FAIL_LOG_ESCAPES)";

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(percent: &str) -> Failing {
        Failing::new(Some(Share::from_percent(percent).expect("a percentage")))
    }

    #[test]
    fn the_share_of_failures_is_exact_at_every_count() {
        for (percent, parts) in
            [("0", 0), ("0.5", 5_000), ("12.5", 125_000), ("33.3333", 333_333), ("100", 1_000_000)]
        {
            let failing = failing(percent);
            let mut failures = 0_u64;
            for n in 1..=2_000_u64 {
                failures += u64::from(failing.next());
                assert_eq!(failures, n * parts / 1_000_000, "{percent} % after {n}");
            }
        }
    }

    #[test]
    fn failures_are_spread_evenly() {
        let failing = failing("25");
        let first: Vec<bool> = (0..8).map(|_| failing.next()).collect();
        assert_eq!(first, [false, false, false, true, false, false, false, true]);
    }

    #[test]
    fn nothing_fails_without_the_switch() {
        let failing = Failing::new(None);
        assert!((0..1_000).all(|_| !failing.next()));
    }

    #[test]
    fn flapping_health_is_good_first_and_bad_then() {
        let switches = Switches { health_flap: Some(Duration::from_secs(10)), ..Switches::default() };
        let healthy = |ms| switches.unhealthy(Duration::from_millis(ms)).is_none();
        assert_eq!(
            [0, 4_999, 5_000, 9_999, 10_000, 15_000].map(healthy),
            [true, true, false, false, true, false]
        );
    }

    #[test]
    fn health_comes_late_or_never() {
        let late = Switches { healthy_delay: Duration::from_secs(3), ..Switches::default() };
        assert_eq!(late.unhealthy(Duration::from_secs(2)), Some("STOREFRONT_FAIL_HEALTHY_DELAY"));
        assert_eq!(late.unhealthy(Duration::from_secs(3)), None);
        let never = Switches { never_healthy: true, ..Switches::default() };
        assert_eq!(never.unhealthy(Duration::MAX), Some("STOREFRONT_FAIL_NEVER_HEALTHY"));
    }
}
