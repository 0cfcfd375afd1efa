//! How long requests waited for their answers, counted in classes.

use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const fn us(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

/// How long requests waited for their answers, counted in classes: the same everywhere, so that what several
/// processes have counted adds up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Latency {
    counts: [u64; Self::CLASSES],
    microseconds: u64,
}

/// As it is written down, by whichever version.
#[derive(Deserialize)]
struct Written {
    counts: Vec<u64>,
    microseconds: u64,
}

impl Latency {
    /// The longest wait of each class; those of the last class are longer than all of these.
    pub const BOUNDS: [Duration; 18] = [
        us(100),
        us(250),
        us(500),
        us(1_000),
        us(2_500),
        us(5_000),
        us(10_000),
        us(25_000),
        us(50_000),
        us(100_000),
        us(250_000),
        us(500_000),
        us(1_000_000),
        us(2_500_000),
        us(5_000_000),
        us(10_000_000),
        us(30_000_000),
        us(60_000_000),
    ];

    /// How many classes there are.
    pub const CLASSES: usize = Self::BOUNDS.len() + 1;

    /// So many in each class, which took so long together.
    pub const fn new(counts: [u64; Self::CLASSES], total: Duration) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "half a million years")]
        Self { counts, microseconds: total.as_micros() as u64 }
    }

    /// The class of a wait.
    pub fn class(wait: Duration) -> usize {
        // Most end among the first.
        Self::BOUNDS.iter().position(|bound| wait <= *bound).unwrap_or(Self::BOUNDS.len())
    }

    /// How many in each class.
    pub fn counts(&self) -> &[u64; Self::CLASSES] {
        &self.counts
    }

    /// How many altogether.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long altogether.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.microseconds)
    }

    /// About how long this part of all requests, 0 to 1, waited at most: a class is taken to be filled evenly, and
    /// the last one to end where it begins. Nothing where there was no request.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "the classes are coarser")]
        let (mut left, precise) = (part.clamp(0.0, 1.0) * count as f64, |count: u64| count as f64);
        let mut below = Duration::ZERO;
        for (bound, count) in Self::BOUNDS.iter().zip(self.counts) {
            let count = precise(count);
            if count > 0.0 && left <= count {
                return Some(below + bound.saturating_sub(below).mul_f64(left / count));
            }
            left -= count;
            below = *bound;
        }
        Some(below)
    }

    /// What has come since it was so.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(before.counts) {
            *count = count.saturating_sub(before);
        }
        Self { counts, microseconds: self.microseconds.saturating_sub(before.microseconds) }
    }

    /// Whether there was no request.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Written> for Latency {
    /// Of a version with other classes nothing can be kept.
    fn from(written: Written) -> Self {
        let counts = written.counts.try_into().ok();
        counts.map_or_else(Self::default, |counts| Self { counts, microseconds: written.microseconds })
    }
}

impl AddAssign for Latency {
    fn add_assign(&mut self, more: Self) {
        for (count, more) in self.counts.iter_mut().zip(more.counts) {
            *count += more;
        }
        self.microseconds += more.microseconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(waits: &[Duration]) -> Latency {
        let mut counts = [0; Latency::CLASSES];
        for wait in waits {
            counts[Latency::class(*wait)] += 1;
        }
        Latency::new(counts, waits.iter().sum())
    }

    #[test]
    fn a_quantile_lies_in_the_class_of_its_wait() {
        let mut waits = vec![Duration::from_micros(80); 98];
        waits.extend([Duration::from_millis(40), Duration::from_millis(700)]);
        let latency = of(&waits);
        assert_eq!((latency.count(), latency.total()), (100, waits.iter().sum()));
        let quantile = |part| latency.quantile(part).expect("requests");
        assert!(quantile(0.5) <= Duration::from_micros(100));
        assert!((Duration::from_millis(25)..=Duration::from_millis(50)).contains(&quantile(0.99)));
        assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&quantile(1.0)));
        assert_eq!(of(&[Duration::from_hours(1)]).quantile(0.5), Some(Duration::from_mins(1)));
        assert_eq!(Latency::default().quantile(0.5), None);
    }

    #[test]
    fn what_is_written_is_read_and_other_classes_are_nothing() {
        let latency = of(&[Duration::from_millis(3), Duration::from_mins(2)]);
        let text = serde_json::to_string(&latency).expect("text");
        assert_eq!(serde_json::from_str::<Latency>(&text).expect("a latency"), latency);
        let other = r#"{"counts":[1,2],"microseconds":9}"#;
        assert!(serde_json::from_str::<Latency>(other).expect("a latency").is_empty());
    }

    #[test]
    fn sums_and_differences_fit_together() {
        let (first, second) = (of(&[Duration::from_millis(3)]), of(&[Duration::from_secs(9)]));
        let mut sum = first;
        sum += second;
        assert_eq!((sum.since(&first), sum.since(&second)), (second, first));
    }
}
