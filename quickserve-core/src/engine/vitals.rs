//! Health by our own probes: thresholds and grace over single attempts.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::parts::Parts;
use crate::clock::{after, between};
use crate::error::{Error, Result};
use crate::health::{HealthProber, ProbeRequest};
use crate::orchestrator::{Health, SetState, TaskId, TaskPhase, TaskState};
use crate::workload::{HealthGate, Probe, Workload};

/// What the probes of each task have shown so far.
#[derive(Debug)]
pub(crate) struct Vitals {
    /// None on a platform that judges its tasks by itself: they need not be reachable from here.
    prober: Option<Arc<dyn HealthProber>>,
    streaks: HashMap<TaskId, Streak>,
}

#[derive(Debug, Default, Clone)]
struct Streak {
    successes: u32,
    failures: u32,
    was_healthy: bool,
    last: String,
}

impl Vitals {
    pub(crate) fn of(parts: &Parts) -> Self {
        let managed = parts.platform.capabilities().managed;
        Self { prober: (!managed).then(|| parts.prober.clone()), streaks: HashMap::new() }
    }

    /// Probes every running task of a set once, all at a time, and puts what is known then into it.
    pub(crate) async fn examine(
        &mut self,
        set: &mut SetState,
        workload: &Workload,
        now: Timestamp,
    ) -> Result<()> {
        let Some(prober) = &self.prober else { return Ok(()) };
        let gate = &workload.gate;
        let running = |task: &&mut TaskState| {
            !task.doomed && task.phase == TaskPhase::Running && !matches!(task.health, Health::Unhealthy(_))
        };
        let probes = set.tasks.iter_mut().filter(running).map(|task| {
            let streak = self.streaks.get(&task.id).cloned().unwrap_or_default();
            async move {
                let streak = streak.next(attempt(prober.as_ref(), gate, task, now).await?);
                task.health = streak.health(gate, task, now);
                Ok::<_, Error>((task.id.clone(), streak))
            }
        });
        for examined in join_all(probes).await {
            let (id, mut streak): (TaskId, Streak) = examined?;
            streak.was_healthy |= streak.successes >= gate.healthy_threshold;
            self.streaks.insert(id, streak);
        }
        Ok(())
    }

    /// What the last failed probe of a task showed, if the last one failed.
    pub(crate) fn last_failure(&self, task: &TaskId) -> Option<&str> {
        let streak = self.streaks.get(task)?;
        (streak.failures > 0).then_some(streak.last.as_str())
    }
}

/// One attempt: nothing when healthy, what was seen when not, `None` while it is too early to tell.
async fn attempt(
    prober: &dyn HealthProber,
    gate: &HealthGate,
    task: &TaskState,
    now: Timestamp,
) -> Result<Option<Result<(), String>>> {
    let path = match &gate.probe {
        Probe::Http { path } => Some(path.clone()),
        Probe::Tcp => None,
        Probe::Stays { duration } => {
            let ran = task.started.map_or(std::time::Duration::ZERO, |started| between(started, now));
            return Ok((ran >= *duration).then_some(Ok(())));
        }
    };
    let Some(address) = task.address else {
        return Ok(Some(Err("it has no address yet".to_owned())));
    };
    let request = ProbeRequest { address, path, headers: Vec::new(), timeout: gate.timeout };
    let report = match prober.probe(&request).await {
        Ok(report) => report,
        // The prober could not try: that says nothing about the task, and the next look comes soon.
        Err(error) if error.is_temporary() => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(if report.is_healthy() { Ok(()) } else { Err(report.to_string()) }))
}

impl Streak {
    fn next(mut self, attempt: Option<Result<(), String>>) -> Self {
        match attempt {
            Some(Ok(())) => (self.successes, self.failures) = (self.successes + 1, 0),
            Some(Err(why)) => {
                (self.successes, self.failures) = (0, self.failures + 1);
                self.last = why;
            }
            None => {}
        }
        self
    }

    /// Docker documentation, HEALTHCHECK: a success within the start period ends it, so later failures count.
    fn health(&self, gate: &HealthGate, task: &TaskState, now: Timestamp) -> Health {
        let enough = match gate.probe {
            Probe::Stays { .. } => 1,
            Probe::Http { .. } | Probe::Tcp => gate.healthy_threshold,
        };
        let in_grace =
            !self.was_healthy && task.started.is_none_or(|started| now < after(started, gate.grace));
        if self.successes >= enough {
            Health::Healthy
        } else if self.failures >= gate.unhealthy_threshold && !in_grace {
            Health::Unhealthy(self.last.clone())
        } else if self.was_healthy && self.failures < gate.unhealthy_threshold {
            Health::Healthy
        } else {
            Health::Unknown
        }
    }
}
