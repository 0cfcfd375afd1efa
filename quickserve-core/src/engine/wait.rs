//! Waiting: how often to look, and what every wait watches beside what it waits for.

use std::time::Duration;

use super::run::{Run, Stop};
use crate::clock::{after, between};
use crate::error::{ErrorKind, Result};
use crate::fence::Fence;
use crate::journal::Cause;

/// How long from one look to the next: short at first, longer as nothing happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    next: Duration,
    longest: Duration,
    /// How much longer each wait is than the one before, in eighths.
    eighths: u32,
}

impl Pace {
    /// For things that take milliseconds when all is well.
    pub(crate) const QUICK: Self =
        Self { next: Duration::from_millis(2), longest: Duration::from_millis(250), eighths: 12 };
    /// For things that are watched for a long time.
    pub(crate) const STEADY: Self =
        Self { next: Duration::from_millis(100), longest: Duration::from_millis(250), eighths: 12 };
    /// For calls that failed and are made again.
    pub(crate) const RETRY: Self =
        Self { next: Duration::from_millis(50), longest: Duration::from_secs(2), eighths: 12 };

    /// For what a remote platform does: a look comes soon after the fact, at most an eighth of the time late, and
    /// there are fewer than 40 in any minute.
    pub(crate) const REMOTE: Self =
        Self { next: Duration::from_millis(100), longest: Duration::from_secs(5), eighths: 9 };

    pub(crate) fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (self.next * self.eighths / 8).min(self.longest);
        now
    }
}

/// How long the journal is not read again while waiting.
const LISTEN_EVERY: Duration = Duration::from_millis(500);

impl Run {
    /// Waits a little, and stops the deployment when it was asked to stop, was taken over, or is too late.
    pub(crate) async fn tick(&mut self, pace: &mut Pace) -> Result<(), Stop> {
        let left = between(self.clock.now(), self.deadline);
        let nap = pace.next().min(left.max(Duration::from_millis(1)));
        self.control.clone().sleep(self.clock.as_ref(), nap).await;
        self.attend().await
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
        let mut pace = Pace::RETRY;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_platform_is_asked_fewer_than_40_times_in_any_minute() {
        let mut pace = Pace::REMOTE;
        let looks: Vec<Duration> = std::iter::repeat_with(|| pace.next())
            .scan(Duration::ZERO, |at, nap| {
                *at += nap;
                Some(*at)
            })
            .take_while(|at| *at < Duration::from_mins(5))
            .collect();
        for (index, first) in looks.iter().enumerate() {
            let within =
                looks[index..].iter().take_while(|at| **at < *first + Duration::from_mins(1)).count();
            assert!(within < 40, "{within} looks in the minute from {first:?}");
        }
    }

    #[test]
    fn a_look_at_a_remote_platform_is_at_most_an_eighth_late() {
        let mut pace = Pace::REMOTE;
        let mut at = Duration::ZERO;
        while at < Duration::from_secs(30) {
            let nap = pace.next();
            assert!(nap <= at / 8 + Duration::from_millis(100), "{nap:?} after {at:?}");
            at += nap;
        }
    }
}
