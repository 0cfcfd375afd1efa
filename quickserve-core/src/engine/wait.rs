//! Waiting: how often to look, and what every wait watches beside what it waits for.

use std::time::Duration;

use super::run::{Run, Stop};
use crate::clock::{after, between};
use crate::error::{ErrorKind, Result};
use crate::fault::scramble;
use crate::fence::Fence;
use crate::journal::Cause;
use crate::orchestrator::Drive;

/// How long from one look to the next: short at first, longer as nothing happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    next: Duration,
    longest: Duration,
    /// How much longer each wait is than the one before, in eighths.
    eighths: u32,
    /// From this wait on each is half as long again as the one before.
    patient: Duration,
}

impl Pace {
    /// For things that take milliseconds when all is well.
    pub(crate) const QUICK: Self = Self::nearby(2, 250);
    /// For things that are watched for a long time.
    pub(crate) const STEADY: Self = Self::nearby(100, 250);
    /// For calls that failed and are made again.
    pub(crate) const RETRY: Self = Self::nearby(50, 2_000);

    /// For what a remote platform does, where a look is one call: in the first seconds it comes at most an eighth of the
    /// time late, later at most 6 seconds.
    pub(crate) const REMOTE: Self = Self {
        next: Duration::from_millis(100),
        longest: Duration::from_secs(6),
        eighths: 9,
        patient: Duration::from_secs(1),
    };
    /// For all that a remote platform has, where a look is a few calls, and for calls to it that failed.
    pub(crate) const REMOTE_WHOLE: Self = Self {
        next: Duration::from_secs(1),
        longest: Duration::from_secs(10),
        eighths: 12,
        patient: Duration::from_secs(1),
    };
    /// For a remote platform that is as it should be, and is watched.
    pub(crate) const REMOTE_STEADY: Self =
        Self { next: Duration::from_secs(15), longest: Duration::from_secs(15), ..Self::REMOTE_WHOLE };

    const fn nearby(first: u64, longest: u64) -> Self {
        let longest = Duration::from_millis(longest);
        Self { next: Duration::from_millis(first), longest, eighths: 12, patient: longest }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let now = self.next;
        let eighths = if now < self.patient { self.eighths } else { 12 };
        self.next = (now * eighths / 8).min(self.longest);
        now
    }
}

/// How long the journal is not read again while waiting.
const LISTEN_EVERY: Duration = Duration::from_millis(500);

impl Run {
    /// Waits a little, and stops the deployment when it was asked to stop, was taken over, or is too late.
    pub(crate) async fn tick(&mut self, pace: &mut Pace) -> Result<(), Stop> {
        self.tick_at_most(pace, Duration::MAX).await
    }

    /// The same, and not longer than this.
    pub(crate) async fn tick_at_most(&mut self, pace: &mut Pace, longest: Duration) -> Result<(), Stop> {
        let left = between(self.clock.now(), self.deadline).min(longest);
        let mut nap = self.jittered(pace.next()).min(left.max(Duration::from_millis(1)));
        // A remote platform is asked less often than a short lease has to be renewed.
        let awake = (self.journal.lease_ttl() / 3).max(Duration::from_millis(1));
        while nap > awake {
            self.control.clone().sleep(self.clock.as_ref(), awake).await;
            self.attend().await?;
            nap -= awake;
        }
        self.control.clone().sleep(self.clock.as_ref(), nap).await;
        self.attend().await
    }

    /// A wait for a remote platform, up to an eighth shorter: those who began together do not go on calling together.
    fn jittered(&mut self, nap: Duration) -> Duration {
        match &self.drive {
            Drive::Stepwise { .. } => nap,
            Drive::Managed(_) => {
                self.waits += 1;
                shortened(nap, &self.parts.owner.nonce, self.waits)
            }
        }
    }

    /// Renews the lease, listens for requests, and looks at the deadline.
    pub(crate) async fn attend(&mut self) -> Result<(), Stop> {
        self.journal.renew().await.map_err(Stop::Lost)?;
        let now = self.clock.now();
        if now >= after(self.listened, LISTEN_EVERY) {
            match self.journal.refresh().await {
                Ok(_) => self.listened = now,
                // Nothing is decided here: the next look comes soon, and every append reads first.
                Err(error) if error.is_temporary() => {}
                Err(error) => return Err(Stop::Lost(error)),
            }
        }
        self.heed().await?;
        if now >= self.deadline {
            let cause = Cause::new(format!("the deadline passed during {}", self.doing()));
            return Err(Stop::Failed { cause, condemns: self.waits_for_release() });
        }
        Ok(())
    }

    /// Reads the journal, and goes on trying while it cannot be reached.
    pub(crate) async fn listen(&mut self) -> Result<(), Stop> {
        let mut pace = Pace::RETRY;
        loop {
            match self.journal.refresh().await {
                Ok(_) => return self.heed().await,
                Err(error) if error.is_temporary() => self.tick(&mut pace).await?,
                Err(error) => return Err(Stop::Lost(error)),
            }
        }
    }

    /// Makes a call until it gives an answer that is not temporary, or the deadline passes. Each attempt
    /// carries a fence of its own, for the lease may have been renewed since the last.
    pub(crate) async fn insist<T>(&mut self, call: impl AsyncFn(Fence) -> Result<T>) -> Result<T, Stop> {
        let mut pace = self.pace(Pace::RETRY, Pace::REMOTE_WHOLE);
        loop {
            self.journal.renew().await.map_err(Stop::Lost)?;
            let fence = self.fence();
            let last = match call(fence).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_temporary() => error,
                // The machine slept through the end of the lease: the next renewal tells whether it is ours.
                Err(error) if error.kind() == ErrorKind::Fenced && self.clock.now() > fence.not_after => {
                    error
                }
                Err(error) => return Err(error.into()),
            };
            match self.tick(&mut pace).await {
                Err(Stop::Failed { mut cause, .. }) => {
                    // The platform did not answer until the deadline: no fault of the release.
                    cause.causes.extend(last.causes());
                    return Err(Stop::Failed { cause, condemns: false });
                }
                other => other?,
            }
        }
    }
}

/// A wait without a part of it, at most an eighth, that is the same for the same owner and number.
fn shortened(nap: Duration, owner: &str, number: u64) -> Duration {
    let seed = owner.bytes().fold(number, |seed, byte| scramble(seed ^ u64::from(byte)));
    let part = u32::try_from(seed % 256).unwrap_or_default();
    // Between 7/8 and the whole of it.
    nap * (8 * 256 - part) / (8 * 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When looks come, from the beginning on, each wait as short as it may get.
    fn looks(mut pace: Pace) -> Vec<Duration> {
        std::iter::repeat_with(|| pace.next() * 7 / 8)
            .scan(Duration::ZERO, |at, nap| {
                *at += nap;
                Some(*at)
            })
            .take_while(|at| *at < Duration::from_mins(5))
            .collect()
    }

    /// The most looks in any minute.
    fn most(looks: &[Duration]) -> usize {
        let within = |(index, first): (usize, &Duration)| {
            looks[index..].iter().take_while(|at| **at < *first + Duration::from_mins(1)).count()
        };
        looks.iter().enumerate().map(within).max().unwrap_or_default()
    }

    #[test]
    fn a_remote_platform_is_asked_at_most_40_times_in_any_minute() {
        // To begin a rollout is three calls and to read its record three: 34 are left for looks of one call each.
        assert!(most(&looks(Pace::REMOTE)) <= 34, "{}", most(&looks(Pace::REMOTE)));
        // These are three calls each.
        for pace in [Pace::REMOTE_WHOLE, Pace::REMOTE_STEADY] {
            assert!(most(&looks(pace)) * 3 <= 40, "{pace:?}: {}", most(&looks(pace)));
        }
    }

    #[test]
    fn the_end_of_a_short_rollout_is_seen_at_most_an_eighth_late() {
        let mut pace = Pace::REMOTE;
        let mut at = Duration::ZERO;
        while at < Duration::from_secs(7) {
            let nap = pace.next();
            assert!(nap <= at / 8 + Duration::from_millis(100), "{nap:?} after {at:?}");
            at += nap;
        }
        assert!(std::iter::repeat_with(|| pace.next()).take(50).all(|nap| nap <= Duration::from_secs(6)));
    }

    #[test]
    fn waits_of_two_owners_part_and_those_of_one_are_the_same_again() {
        let nap = Duration::from_secs(6);
        let of =
            |owner: &str| -> Vec<Duration> { (0..20).map(|number| shortened(nap, owner, number)).collect() };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
        assert!(of("one").iter().all(|short| *short <= nap && *short >= nap * 7 / 8));
    }
}
