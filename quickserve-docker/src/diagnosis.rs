//! A service's containers, running or not, as a diagnosis wants them.

use futures_util::future::try_join_all;
use futures_util::try_join;
use jiff::Timestamp;
use quickserve_core::Result;
use quickserve_core::diagnosis::{ContainerState, End};

use crate::engine::{Closeup, Death, RunState};
use crate::names;
use crate::platform::DockerPlatform;
use crate::task_set::{Task, reason, reason_of};

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
        is_gone: false,
        restarts: container.restarts,
        ended: container.ended,
        container: container.name,
        ends,
        variables,
        checks,
    })
}
