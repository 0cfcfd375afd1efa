//! Bake: the serving tasks stay healthy for a time.

use std::time::Duration;

use crate::clock::{after, between};
use crate::engine::{Pace, Run, Stop};
use crate::journal::Cause;
use crate::release::ReleaseId;

impl Run {
    /// A bake that was interrupted begins anew: nobody looked meanwhile.
    pub(crate) async fn bake(
        &mut self,
        release: &ReleaseId,
        tasks: u32,
        duration: Duration,
    ) -> Result<Option<String>, Stop> {
        let workload = self.workload(release)?;
        let until = after(self.clock.now(), duration);
        let mut pace = self.pace(Pace::STEADY, Pace::REMOTE_STEADY);
        loop {
            let observed = self.observe().await?;
            let (mut set, tasks) = (observed.set(release), Self::wanted(tasks, &observed));
            let now = self.clock.now();
            self.vitals.examine(&mut set, &workload, now).await?;
            let bad = set.tasks.iter().filter(|task| !task.doomed).find_map(|task| {
                let restarted = (task.restarts > 0).then(|| "restarted".to_owned());
                super::place::failing(task).or(restarted).map(|why| (task.id.clone(), why))
            });
            if let Some((task, why)) = bad {
                self.report_failures(release, &[(task.clone(), why.clone())]).await;
                return Err(self.baking_failed(release, format!("task {task} {why}")).await);
            }
            let live = set.live().count();
            if live < tasks as usize {
                return Err(self.baking_failed(release, format!("{live} of {tasks} tasks are left")).await);
            }
            if now >= until {
                return Ok(Some(format!("{duration:?} pass")));
            }
            self.progress(format!("{} s left", between(now, until).as_secs()));
            self.tick_at_most(&mut pace, between(now, until)).await?;
        }
    }

    async fn baking_failed(&self, release: &ReleaseId, why: String) -> Stop {
        let cause = Cause::new(format!("{release:#} did not stay healthy while it baked")).because([why]);
        let cause = self.explained(cause, release).await;
        Stop::Failed { cause, condemns: true }
    }
}
