//! Verify: the platform, read back, shows this release's digests serving.

use crate::engine::{Pace, Run, Stop};
use crate::journal::Cause;
use crate::orchestrator::{Observed, SetState};
use crate::release::ReleaseId;

impl Run {
    pub(crate) async fn verify(
        &mut self,
        release: &ReleaseId,
        tasks: u32,
        alone: bool,
    ) -> Result<Option<String>, Stop> {
        let workload = self.workload(release)?;
        let mut pace = self.pace(Pace::QUICK, Pace::REMOTE_WHOLE);
        loop {
            let mut observed = self.observe().await?;
            let now = self.clock.now();
            if let Some(set) = observed.sets.get_mut(release) {
                self.vitals.examine(set, &workload, now).await?;
            }
            self.compare_digests(release, &observed)?;
            let traffic = workload.endpoint.is_some();
            let tasks = Self::wanted(tasks, &observed);
            let why = match self.amiss(release, tasks, traffic, &observed) {
                Some(why) => why,
                None => match self.left_over(release, &observed).filter(|_| alone) {
                    None => return Ok(Some(format!("digests equal on {tasks} of {tasks}"))),
                    // Who rolls out by itself cleans up by itself.
                    Some(why) if observed.rollout.is_some() => why,
                    Some(why) => return Err(Stop::Leftover(why)),
                },
            };
            // One that has ended as well: nothing but a new plan would replace it.
            let set = observed.set(release);
            let failing = set.tasks.iter().filter(|task| !task.doomed).find_map(super::place::failing);
            if let Some(failing) = failing {
                let cause = self.explained(Cause::new(why).because([failing]), release).await;
                return Err(Stop::Failed { cause, condemns: true });
            }
            self.progress(why.clone());
            if let Err(stop) = self.tick(&mut pace).await {
                return Err(match stop {
                    Stop::Failed { cause, condemns } => {
                        Stop::Failed { cause: cause.because([why]), condemns }
                    }
                    stop => stop,
                });
            }
        }
    }

    /// A task that runs another image than its release says is never waited for.
    fn compare_digests(&self, release: &ReleaseId, observed: &Observed) -> Result<(), Stop> {
        let wanted = self.release(release)?.digests();
        match observed.set(release).live().find(|task| task.images != wanted) {
            None => Ok(()),
            Some(task) => {
                let cause = Cause::new(format!("task {} runs other images than {release:#} says", task.id));
                Err(Stop::Failed { cause, condemns: true })
            }
        }
    }

    /// What is not yet as it should be, if anything is not.
    fn amiss(&self, release: &ReleaseId, tasks: u32, traffic: bool, observed: &Observed) -> Option<String> {
        let healthy = observed.set(release).tasks.iter().filter(|task| self.policy.ready(task)).count();
        if healthy < tasks as usize {
            return Some(format!("{healthy} of {tasks} tasks of {release:#} are healthy"));
        }
        let serving: Vec<&ReleaseId> = observed.split.serving().map(|(release, _)| release).collect();
        match serving.as_slice() {
            _ if !traffic => None,
            [] if tasks == 0 => None,
            [only] if tasks > 0 && *only == release => None,
            _ if tasks == 0 => Some("requests still go somewhere".to_owned()),
            _ => Some(format!("requests do not go to {release:#} alone")),
        }
    }

    /// What is there beside a release that should be alone, with no tasks but those that are to stay.
    fn left_over(&self, release: &ReleaseId, observed: &Observed) -> Option<String> {
        let managed = observed.rollout.is_some();
        let left = |set: &SetState| if managed { set.live().count() } else { set.tasks.len() };
        let other = observed.sets.iter().find(|(other, set)| *other != release && left(set) > 0);
        if let Some((other, set)) = other {
            return Some(format!("{} tasks of {other:#} are left", left(set)));
        }
        if let Some(route) = observed.split.routes.iter().find(|route| route.release != *release) {
            return Some(format!("{:#} is still in the split", route.release));
        }
        if managed {
            return None;
        }
        let set = observed.set(release);
        let worn = set.live().filter(|task| self.is_worn(task)).count();
        let stale = set.tasks.len() - set.live().count();
        match (worn, stale) {
            (0, 0) => None,
            (0, stale) => Some(format!("{stale} ended tasks of {release:#} are left")),
            (worn, _) => Some(format!("{worn} tasks of {release:#} are left that were to be replaced")),
        }
    }
}
