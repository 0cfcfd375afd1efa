//! How a run ends: at its goal, back where it came from, or stopped where it is.

use std::time::Duration;

use super::closed::{self, closed};
use super::policy::Ending;
use super::run::{Run, Stop};
use crate::clock::after;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Finished, Progress, Serving};
use crate::journal::{Act, Cause, DeploymentId, Event};
use crate::orchestrator::{Observed, Standing};
use crate::outcome::Outcome;
use crate::plan::{OnFailure, Purpose};
use crate::release::ReleaseId;

/// How often a way back is planned anew before a person is called.
const RESTORE_ATTEMPTS: u32 = 3;

/// Why a deployment was taken back that did not fail.
pub(super) const ON_REQUEST: &str = "aborted on request";

impl Run {
    /// Goes to the deployment's own goal, or back when that fails, and ends the deployment in the journal.
    pub(crate) async fn deploy(&mut self) -> Finished {
        let goal = self.opened.goal.clone();
        // A release that was promoted has proven itself, whoever finishes.
        let purpose = if self.promoted() { Purpose::Restore } else { self.opened.purpose };
        match self.forward(&goal, purpose).await {
            Ok(()) => self.conclude(Ending::Reached, None).await,
            // Such as a router that cannot be started: there is nothing to take back.
            Err(Stop::Failed { cause, .. }) if self.is_untouched() => {
                self.refused(Vec::new(), Some(cause)).await
            }
            Err(stop) => self.back(stop).await,
        }
    }

    /// Goes back from a deployment that was given up.
    pub(crate) async fn take_back(&mut self, stop: Stop) -> Finished {
        if let Err(stop) = self.raise().await {
            return self.lost_from(stop).await;
        }
        self.back(stop).await
    }

    /// Goes on with the way back of a deployment that was given up by a former owner.
    pub(crate) async fn resume_back(&mut self) -> Finished {
        if let Err(stop) = self.raise().await {
            return self.lost_from(stop).await;
        }
        let open = self.journal.state().open.clone();
        match open.map(|open| (open.abort, open.failed)) {
            Some((Some((kind, _)), None)) => {
                self.restore(Cause::new(ON_REQUEST), Ending::Aborted(kind)).await
            }
            Some((_, Some(cause))) => self.restore(cause, Ending::Restored).await,
            _ => self.restore(Cause::new("interrupted"), Ending::Restored).await,
        }
    }

    /// After a stop: back to the last good release, unless that is not wanted or not ours to do.
    async fn back(&mut self, stop: Stop) -> Finished {
        let promoted = self.promoted();
        let (cause, ending) = match stop {
            Stop::Lost(error) => return self.lost(error).await,
            Stop::Parked => return self.parked().await,
            Stop::Superseded(cause) => return self.conclude(Ending::Superseded, Some(cause)).await,
            Stop::Leftover(why) => (Cause::new(why), Ending::Restored),
            // The release is decided to be good: no way back, but its own goal once more.
            Stop::Failed { cause, .. } if promoted => return self.restore(cause, Ending::Reached).await,
            Stop::Failed { cause, condemns } => {
                if let Err(stop) = self.record_failure(&cause, condemns).await {
                    return self.lost_from(stop).await;
                }
                (cause, Ending::Restored)
            }
            Stop::Aborted(kind) => (Cause::new(ON_REQUEST), Ending::Aborted(kind)),
        };
        let freeze = self.opened.config.on_failure == OnFailure::Freeze
            && self.opened.purpose == Purpose::Prove
            && ending == Ending::Restored;
        if freeze {
            return self.conclude(Ending::Frozen, Some(cause)).await;
        }
        self.restore(cause, ending).await
    }

    async fn record_failure(&mut self, cause: &Cause, condemns: bool) -> Result<(), Stop> {
        self.record(Event::Failed { index: Some(self.index), cause: cause.clone() }).await?;
        let proving = self.opened.purpose == Purpose::Prove;
        if let (true, true, Some(release)) = (condemns, proving, self.opened.goal.release().cloned()) {
            self.record(Event::Condemned { release, cause: cause.clone() }).await?;
        }
        Ok(())
    }

    async fn restore(&mut self, cause: Cause, ending: Ending) -> Finished {
        self.may_be_aborted(false);
        let mut because = cause.clone();
        for attempt in 1..=RESTORE_ATTEMPTS {
            let goal = self.policy.fallback(self.journal.state());
            let deadline = after(self.clock.now(), self.opened.config.timeout);
            match self.reach(&goal, Purpose::Restore, Some(because), deadline).await {
                Ok(()) => {
                    let cause = (ending != Ending::Reached).then_some(cause);
                    return self.conclude(ending, cause).await;
                }
                Err(Stop::Lost(error)) => return self.lost(error).await,
                Err(Stop::Superseded(cause)) => return self.conclude(Ending::Superseded, Some(cause)).await,
                Err(Stop::Aborted(_) | Stop::Leftover(_) | Stop::Parked) => because = cause.clone(),
                Err(Stop::Failed { cause: obstacle, .. }) => {
                    let message = format!("way back, attempt {attempt}: {}", obstacle.message);
                    self.emit(Progress::Warning { message });
                    because = obstacle;
                }
            }
            self.clock.sleep(Duration::from_secs(u64::from(attempt))).await;
        }
        let cause = Cause {
            message: cause.message.clone(),
            causes: [cause.causes, vec![format!("taking back failed: {}", because.message)], because.causes]
                .concat(),
            hint: because.hint.or(cause.hint),
        };
        self.conclude(Ending::Stuck, Some(cause)).await
    }

    /// The end of a run that can neither go on nor conclude.
    pub(super) async fn lost_from(&mut self, stop: Stop) -> Finished {
        match stop {
            Stop::Lost(error) => self.lost(error).await,
            // It stays open in the journal, so that the next command finds it and goes on.
            Stop::Failed { cause, .. } => {
                let next = "once that is mended, quickserve resume brings it to its end";
                let hint = match cause.hint {
                    Some(hint) => format!("{hint}; {next}"),
                    None => next.to_owned(),
                };
                self.finish(Outcome::Stuck, Some(Cause { hint: Some(hint), ..cause })).await
            }
            Stop::Aborted(_) | Stop::Leftover(_) | Stop::Parked | Stop::Superseded(_) => {
                self.finish(Outcome::InternalError, None).await
            }
        }
    }

    /// The service is not ours any more, or the journal cannot be written: nothing more is touched.
    async fn lost(&mut self, error: Error) -> Finished {
        let outcome = if error.kind() == ErrorKind::Fenced { Outcome::Superseded } else { Outcome::Stuck };
        self.finish(outcome, Some(Cause::from(&error))).await
    }

    /// Reads back what serves, and ends the deployment in the journal.
    async fn conclude(&mut self, ending: Ending, cause: Option<Cause>) -> Finished {
        let (mut outcome, mut cause) = (self.policy.outcome(ending), cause);
        self.may_be_aborted(false);
        if ending == Ending::Reached && matches!(self.opened.act, Act::Deploy | Act::Rollback) {
            self.keep_house().await;
        }
        self.deadline = after(self.clock.now(), self.opened.config.timeout);
        let serving = match self.observe().await {
            Ok(observed) => serving(&observed),
            Err(stop) => return self.lost_from(stop).await,
        };
        let removed = self.opened.act == Act::Down && ending == Ending::Reached;
        // What serves behind a closed port serves nobody. Which release that is was decided all the same.
        let served = serving.first().and_then(|one| self.journal.state().releases.get(&one.release));
        if let Some(why) = closed(&self.drive, self.clock.as_ref(), served).await {
            (outcome, cause) = (Outcome::Stuck, Some(closed::cause(cause, why)));
        }
        let ended = Event::Ended {
            outcome,
            serving: serving.iter().map(|serving| serving.release.clone()).collect(),
            cause: cause.clone(),
        };
        let events = removed.then_some(Event::Removed {}).into_iter().chain([ended]);
        for event in events {
            if let Err(stop) = self.record(event).await {
                return self.lost_from(stop).await;
            }
        }
        self.finished(outcome, serving, cause)
    }

    pub(super) async fn finish(&mut self, outcome: Outcome, cause: Option<Cause>) -> Finished {
        // Only for the message: when the platform does not answer, nothing is claimed to serve.
        let serving = self.platform.observe().await.map(|observed| serving(&observed)).unwrap_or_default();
        self.finished(outcome, serving, cause)
    }

    pub(super) fn finished(&self, outcome: Outcome, serving: Vec<Serving>, cause: Option<Cause>) -> Finished {
        let release = self.opened.goal.release();
        let condemned = &self.journal.state().condemned;
        Finished {
            deployment: Some(self.deployment()),
            release: release.cloned(),
            condemned: release.is_some_and(|release| condemned.contains_key(release)),
            serving,
            cause,
            ..Finished::new(outcome)
        }
    }

    fn deployment(&self) -> DeploymentId {
        self.opened.deployment.clone()
    }
}

/// What serves, as the platform shows it. A worker's tasks serve by running.
pub fn serving(observed: &Observed) -> Vec<Serving> {
    let split = &observed.split;
    let sum: u32 = split.serving().map(|(_, weight)| weight).sum();
    let of = |release: &ReleaseId, weight: u32, tasks: usize| {
        let set = observed.set(release);
        Serving {
            release: release.clone(),
            images: set.live().next().map(|task| task.images.clone()).unwrap_or_default(),
            weight,
            tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
        }
    };
    if sum > 0 {
        return split
            .serving()
            .map(|(release, weight)| {
                // A route may name tasks that are gone. One of a platform that rolls out by itself names none: all that
                // run take part.
                let set = observed.set(release);
                let named = split.route(release).is_some_and(|route| !route.upstreams.is_empty());
                let tasks = set.live().filter(|task| !named || split.references(&task.id)).count();
                of(release, weight * 100 / sum, tasks)
            })
            .collect();
    }
    let running = observed.sets.iter().filter(|(_, set)| {
        set.live().any(|task| task.standing == Standing::Promoted && task.address.is_none())
    });
    running.map(|(release, set)| of(release, 100, set.live().count())).collect()
}
