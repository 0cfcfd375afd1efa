//! A service's containers, as a diagnosis wants them.

use aws_sdk_ecs::types::{Container, DesiredStatus, Task};
use quickserve_core::Result;
use quickserve_core::diagnosis::{ContainerState, End};

use super::explain::{failure, has_failed};
use super::known::Known;
use super::observe::task_id;
use super::platform::Ecs;

impl Ecs {
    /// The containers of the tasks that run, of whatever release; and of those that ended by themselves the one that did
    /// so. ECS remembers an end for about an hour.
    pub async fn containers(&self) -> Result<Vec<ContainerState>> {
        let (running, stopped) =
            tokio::try_join!(self.tasks(DesiredStatus::Running), self.tasks(DesiredStatus::Stopped))?;
        let mut states = Vec::new();
        for task in running {
            let known = self.known(task.task_definition_arn().unwrap_or_default()).await?;
            states.extend(task.containers().iter().map(|container| state(&task, container, &known)));
        }
        for task in stopped.iter().filter(|task| has_failed(task)) {
            let known = self.known(task.task_definition_arn().unwrap_or_default()).await?;
            let Some(failure) = failure(task) else { continue };
            // A task that never had a container is one of its own.
            let nameless = Container::builder().build();
            let culprit = task.containers().iter().find(|it| it.name() == Some(failure.container.as_str()));
            let end = End { reason: failure.reason, at: failure.ended };
            let ended = ContainerState {
                is_gone: true,
                ended: end.at,
                ends: vec![end],
                ..state(task, culprit.unwrap_or(&nameless), &known)
            };
            states.push(ended);
        }
        states.sort_by(|one, next| {
            (&one.release, &one.task, &one.name).cmp(&(&next.release, &next.task, &next.name))
        });
        Ok(states)
    }
}

fn state(task: &Task, container: &Container, known: &Known) -> ContainerState {
    let name = container.name().unwrap_or_default().to_owned();
    ContainerState {
        task: task_id(task),
        release: known.stands_for.clone(),
        container: container.container_arn().unwrap_or_default().to_owned(),
        is_running: container.last_status() == Some("RUNNING"),
        is_paused: false,
        is_gone: false,
        restarts: 0,
        ended: None,
        ends: Vec::new(),
        variables: known.variables.get(&name).cloned().unwrap_or_default(),
        checks: Vec::new(),
        name,
    }
}
