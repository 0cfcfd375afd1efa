//! What a diagnosis wants to know of a service's containers, running or not.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use futures_util::try_join;
use jiff::Timestamp;
use quickserve_core::Result;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;

use crate::engine::{CheckRun, Closeup, Death, RunState};
use crate::names;
use crate::platform::DockerPlatform;
use crate::task_set::{Task, reason, reason_of};

/// A container of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// The task that it is part of.
    pub task: TaskId,
    /// The release that it was made for.
    pub release: ReleaseId,
    /// Its name in the task.
    pub name: String,
    /// The engine's name for it.
    pub container: String,
    /// Whether it runs.
    pub is_running: bool,
    /// Whether somebody has suspended it: it runs, and does nothing.
    pub is_paused: bool,
    /// How often the engine has started it again.
    pub restarts: u32,
    /// When it ended last, should it run again.
    pub ended: Option<Timestamp>,
    /// How it ended, as far as the engine remembers: the oldest first.
    pub ends: Vec<End>,
    /// Names of the variables that have a value.
    pub variables: BTreeSet<String>,
    /// What its own health check said lately, the oldest first.
    pub checks: Vec<CheckRun>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Such as `exited 1` or `ran out of memory (limit 512 MiB)`.
    pub reason: String,
    /// When.
    pub at: Option<Timestamp>,
}

impl DockerPlatform {
    /// All containers of the service that there are, also those of releases that nobody wants any more; with their
    /// ends between two times.
    pub async fn containers(&self, since: Timestamp, until: Timestamp) -> Result<Vec<ContainerState>> {
        let listed = self.sets().list().await?;
        let looks = listed.iter().map(|container| self.engine().closeup(&container.id));
        let labels = names::service_labels(self.key());
        let (seen, deaths) = try_join!(try_join_all(looks), self.engine().deaths(&labels, since, until))?;
        let seen = seen.into_iter().flatten();
        let mut states: Vec<ContainerState> = seen.filter_map(|closeup| state(closeup, &deaths)).collect();
        states.sort_by(|one, next| {
            (&one.release, &one.task, &one.name).cmp(&(&next.release, &next.task, &next.name))
        });
        Ok(states)
    }
}

/// One whose labels cannot be read is not ours to judge.
fn state(closeup: Closeup, deaths: &[Death]) -> Option<ContainerState> {
    let Closeup { container, variables, checks } = closeup;
    let (name, task) = Task::from_labels(&container.labels)?;
    let own = deaths.iter().filter(|death| death.container == container.id);
    let mut ends: Vec<End> = own
        .map(|death| {
            let reason = reason_of(death.exit_code, death.out_of_memory, container.memory);
            End { reason, at: death.at }
        })
        .collect();
    // What ended before the engine's memory begins, or never started.
    if ends.is_empty() && container.state != RunState::Running && container.ended.is_some() {
        ends.push(End { reason: reason(&container), at: container.ended });
    }
    Some(ContainerState {
        task: task.id,
        release: task.release,
        name,
        is_running: container.state == RunState::Running,
        is_paused: container.paused,
        restarts: container.restarts,
        ended: container.ended,
        container: container.name,
        ends,
        variables,
        checks,
    })
}
