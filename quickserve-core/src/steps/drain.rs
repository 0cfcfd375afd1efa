//! Drain: tasks that get no new requests finish those that they have.

use std::time::Duration;

use crate::clock::after;
use crate::engine::{Pace, Run, Stop};
use crate::orchestrator::TaskId;
use crate::release::ReleaseId;

impl Run {
    pub(crate) async fn drain(
        &mut self,
        release: &ReleaseId,
        keep: u32,
        timeout: Duration,
    ) -> Result<Option<String>, Stop> {
        let targets: Vec<TaskId> = self.superfluous(release, keep).await?;
        let until = after(self.clock.now(), timeout);
        let mut pace = Pace::QUICK;
        loop {
            let router = &self.router()?;
            let in_flight = self.insist(async |_| router.in_flight().await).await?;
            let left: u64 = targets.iter().filter_map(|task| in_flight.get(task)).sum();
            if left == 0 {
                return Ok(None);
            }
            if self.clock.now() >= until {
                return Ok(Some(format!("{left} still in flight after {timeout:?}, cut off")));
            }
            self.progress(format!("{left} in flight"));
            self.tick(&mut pace).await?;
        }
    }
}
