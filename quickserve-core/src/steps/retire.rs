//! Retire: tasks beyond those kept are stopped and removed, for ever.

use std::collections::BTreeSet;

use crate::engine::{Pace, Run, Stop};
use crate::error::{Error, ErrorKind};
use crate::event::Progress;
use crate::orchestrator::{TaskId, TaskPhase};
use crate::plan::Step;
use crate::release::ReleaseId;

impl Run {
    pub(crate) async fn retire(
        &mut self,
        step: &Step,
        release: &ReleaseId,
        keep: u32,
    ) -> Result<Option<String>, Stop> {
        let targets = self.superfluous(release, keep).await?;
        self.intend(step, targets.clone()).await?;
        if targets.is_empty() {
            return Ok(None);
        }
        let mut killed = BTreeSet::new();
        let mut pace = Pace::QUICK;
        loop {
            let (sets, targets) = (&self.sets()?, &targets);
            let left = self.insist(async |fence| sets.doom(&fence, targets).await).await?;
            for task in left.iter().filter(|task| task.killed) {
                if killed.insert(task.id.clone()) {
                    let message =
                        format!("task {} did not end within its stop timeout and was killed", task.id);
                    self.emit(Progress::Warning { message });
                }
            }
            if left.is_empty() {
                let by_force = match killed.len() {
                    0 => String::new(),
                    killed => format!(", {killed} killed after the stop timeout"),
                };
                return Ok(Some(format!("{} gone{by_force}", targets.len())));
            }
            self.progress(format!("{} still stopping", left.len()));
            self.tick(&mut pace).await?;
        }
    }

    /// Tasks of a release that are not among those to keep. The router is read back first: none that it
    /// names is ever among them.
    pub(crate) async fn superfluous(&mut self, release: &ReleaseId, keep: u32) -> Result<Vec<TaskId>, Stop> {
        let observed = self.observe().await?;
        let mut set = observed.set(release);
        set.tasks.sort_by_key(|task| self.is_worn(task));
        let named = |task: &TaskId| observed.split.references(task);
        let routed = set.tasks.iter().filter(|task| named(&task.id)).count();
        if routed > keep as usize {
            let message = format!("the router names {routed} tasks of {release:#}, {keep} shall stay");
            return Err(Error::new(ErrorKind::Unexpected, message).into());
        }
        let mut stay = keep as usize - routed;
        let mut targets = Vec::new();
        for task in &set.tasks {
            let spare = task.doomed || task.phase == TaskPhase::Ended;
            if named(&task.id) {
                continue;
            }
            if !spare && stay > 0 {
                stay -= 1;
                continue;
            }
            targets.push(task.id.clone());
        }
        Ok(targets)
    }
}
