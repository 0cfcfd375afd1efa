//! Promote: the release is decided to be good, and its tasks get the standing of promoted ones.

use crate::engine::{Pace, Run, Stop};
use crate::journal::Event;
use crate::orchestrator::Standing;
use crate::release::ReleaseId;

impl Run {
    pub(crate) async fn promote(&mut self, release: &ReleaseId, tasks: u32) -> Result<Option<String>, Stop> {
        // The last moment at which an abort is heard; from the record on, the release is what serves.
        self.listen().await?;
        self.record(Event::Promoted { release: release.clone() }).await?;
        self.may_be_aborted(false);
        if self.platform.capabilities().managed {
            // Its tasks have no standing: they are whatever its rollout has made of them.
            return Ok(None);
        }
        let mut pace = Pace::QUICK;
        loop {
            let (sets, spec) = (&self.sets()?, &self.spec(release, tasks, Standing::Promoted)?);
            let set = self.insist(async |fence| sets.advance(&fence, spec).await).await?;
            if set.live().all(|task| task.standing == Standing::Promoted || spec.doomed.contains(&task.id)) {
                return Ok(None);
            }
            self.tick(&mut pace).await?;
        }
    }
}
