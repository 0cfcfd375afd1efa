//! Place: so many tasks run and are healthy; failed ones are replaced until the circuit breaker trips.

use std::collections::BTreeMap;

use crate::clock::between;
use crate::engine::{Pace, Run, Stop};
use crate::event::Progress;
use crate::journal::Cause;
use crate::orchestrator::{Health, SetState, Standing, TaskFailure, TaskId, TaskPhase, TaskState};
use crate::release::ReleaseId;

/// How many failed tasks end a deployment.
///
/// ECS documentation, "Deployment circuit breaker": half of the desired count, rounded up, at least 3 and at
/// most 200.
pub(crate) fn failure_threshold(desired: u32) -> u32 {
    desired.div_ceil(2).clamp(3, 200)
}

impl Run {
    pub(crate) async fn place(
        &mut self,
        release: &ReleaseId,
        tasks: u32,
        standing: Standing,
    ) -> Result<Option<String>, Stop> {
        let began = self.clock.now();
        let workload = self.workload(release)?;
        let mut failed: BTreeMap<TaskId, String> = BTreeMap::new();
        let mut pace = Pace::QUICK;
        loop {
            let (sets, spec) = (&self.sets()?, &self.spec(release, tasks, standing)?);
            let mut set = self.insist(async |fence| sets.advance(&fence, spec).await).await?;
            self.mark_doomed(&mut set);
            self.vitals.examine(&mut set, &workload, self.clock.now()).await.map_err(Stop::from)?;
            let newly: Vec<(TaskId, String)> = set
                .tasks
                .iter()
                .filter(|task| !task.doomed && !failed.contains_key(&task.id))
                .filter_map(|task| failing(task).map(|why| (task.id.clone(), why)))
                .collect();
            if !newly.is_empty() {
                self.report_failures(release, &newly).await;
                failed.extend(newly);
                // Those from before the plan are replaced, but say nothing of what it places.
                let ours: BTreeMap<&TaskId, &String> =
                    failed.iter().filter(|(task, _)| !self.before.contains(*task)).collect();
                if ours.len() >= failure_threshold(tasks) as usize {
                    return Err(self.breaker(release, tasks, &ours).await);
                }
            }
            self.doom_again(&failed, &set).await?;
            let healthy = set.tasks.iter().filter(|task| self.policy.ready(task)).count();
            if healthy >= tasks as usize {
                // Those beyond it are on their way out.
                let took = between(began, self.clock.now());
                return Ok(Some(format!("{tasks}/{tasks} healthy, {:.1} s", took.as_secs_f64())));
            }
            let message = self.describe(healthy, tasks, &set, failed.len());
            self.progress(message.clone());
            if let Err(stop) = self.tick(&mut pace).await {
                return Err(self.never_healthy(stop, release, &message).await);
            }
        }
    }

    pub(crate) fn mark_doomed(&self, set: &mut SetState) {
        let doomed = &self.journal.state().doomed;
        for task in &mut set.tasks {
            task.doomed |= doomed.contains(&task.id);
        }
    }

    fn describe(&self, healthy: usize, tasks: u32, set: &SetState, failed: usize) -> String {
        let replaced = match failed {
            0 => String::new(),
            failed => format!(", {failed} failed and replaced"),
        };
        let waiting = set.live().find_map(|task| self.vitals.last_failure(&task.id));
        let probe = waiting.map(|why| format!("; last probe: {why}")).unwrap_or_default();
        format!("{healthy}/{tasks} healthy{replaced}{probe}")
    }

    /// Reports tasks that failed, with what the platform knows of their ends.
    pub(crate) async fn report_failures(&mut self, release: &ReleaseId, newly: &[(TaskId, String)]) {
        let explained = self.platform.explain(release).await.unwrap_or_default();
        for (task, why) in newly {
            let known = explained.iter().find(|failure| failure.task == *task).cloned();
            let failure = known.unwrap_or_else(|| TaskFailure {
                task: task.clone(),
                container: String::new(),
                reason: why.clone(),
                exit_code: None,
                out_of_memory: false,
                ended: None,
                log_tail: Vec::new(),
                last_words: None,
                log_unread: None,
            });
            self.emit(Progress::TaskFailed { release: release.clone(), failure });
        }
    }

    /// Dooms failed tasks, and goes on until they are gone, without waiting for it.
    async fn doom_again(&mut self, failed: &BTreeMap<TaskId, String>, set: &SetState) -> Result<(), Stop> {
        let existing: Vec<&TaskState> =
            set.tasks.iter().filter(|task| failed.contains_key(&task.id)).collect();
        if existing.is_empty() {
            return Ok(());
        }
        let fresh: Vec<TaskId> =
            existing.iter().filter(|task| !task.doomed).map(|task| task.id.clone()).collect();
        if !fresh.is_empty() {
            self.take_out(&fresh).await?;
            self.intend_doom(fresh).await?;
        }
        let tasks: Vec<TaskId> = existing.iter().map(|task| task.id.clone()).collect();
        let (sets, tasks) = (&self.sets()?, &tasks);
        self.insist(async |fence| sets.doom(&fence, tasks).await).await?;
        Ok(())
    }

    async fn breaker(&self, release: &ReleaseId, tasks: u32, failed: &BTreeMap<&TaskId, &String>) -> Stop {
        let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
        for why in failed.values() {
            *reasons.entry(why).or_default() += 1;
        }
        let reasons: Vec<String> = reasons.iter().map(|(why, count)| format!("{count} x {why}")).collect();
        let message = format!("{} new tasks failed in a row, wanted {tasks} healthy", failed.len());
        let cause = self.explained(Cause::new(message).because(reasons), release).await;
        Stop::Failed { cause, condemns: true }
    }

    async fn never_healthy(&mut self, stop: Stop, release: &ReleaseId, shown: &str) -> Stop {
        match stop {
            Stop::Failed { cause, condemns } => {
                let cause = self.explained(cause.because([shown.to_owned()]), release).await;
                Stop::Failed { cause, condemns }
            }
            stop => stop,
        }
    }
}

/// Why a task counts as failed, if it does.
pub(crate) fn failing(task: &TaskState) -> Option<String> {
    match (&task.phase, &task.health) {
        (TaskPhase::Ended, _) => Some("ended by itself".to_owned()),
        (_, Health::Unhealthy(why)) => Some(format!("unhealthy: {why}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::failure_threshold;

    #[test]
    fn the_circuit_breaker_has_the_thresholds_of_ecs() {
        let table = [(1, 3), (5, 3), (7, 4), (25, 13), (400, 200), (800, 200)];
        for (desired, threshold) in table {
            assert_eq!(failure_threshold(desired), threshold, "{desired}");
        }
    }
}
