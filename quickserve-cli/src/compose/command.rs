//! Commands beside deployments, on the platform that an environment names.

use quickserve_aws::ecs;
use quickserve_core::journal::Liveness;
use quickserve_core::release::Release;
use quickserve_core::{Error, ErrorKind, Result};
use quickserve_docker::{Exec, OneOff};

use super::stage::{Place, Stage};
use super::{clock, liveness};
use crate::attended::{Attended, Running};

/// The container of a task that a command is meant for.
#[derive(Debug)]
pub(crate) enum TaskPlace {
    Local(quickserve_docker::ExecPlace),
    Cloud(ecs::ExecPlace),
}

impl TaskPlace {
    pub(crate) fn task(&self) -> &quickserve_core::orchestrator::TaskId {
        match self {
            Self::Local(place) => &place.task,
            Self::Cloud(place) => &place.task,
        }
    }

    pub(crate) fn container(&self) -> &str {
        match self {
            Self::Local(place) => &place.container,
            Self::Cloud(place) => &place.container,
        }
    }
}

impl Stage {
    /// Whether a one-off command can be run as it is asked for.
    pub(crate) fn check_one_off(&self, one_off: &OneOff) -> Result<()> {
        match &self.place {
            Place::Cloud(_) if one_off.entry_point.is_some() => {
                Err(Error::new(ErrorKind::Unsupported, "ECS replaces a container's command, and never its entry point")
                    .with_hint("leave --entry-point out: the command follows the entry point of the image or the task definition"))
            }
            _ => Ok(()),
        }
    }

    /// Removes what earlier commands left whose callers are gone. On ECS a command's task ends by itself.
    pub(crate) async fn remove_left_commands(&self) -> Result<()> {
        match &self.place {
            Place::Local(local) => {
                let liveness: &dyn Liveness = &*liveness();
                local.platform.remove_left_commands(liveness, &*clock()).await
            }
            Place::Cloud(_) => Ok(()),
        }
    }

    /// Runs a command in a container, or a task, of its own.
    pub(crate) async fn run(&self, release: &Release, one_off: &OneOff, by: String) -> Result<Attended> {
        match &self.place {
            Place::Local(local) => {
                let running = local.platform.run(release, one_off).await?;
                Ok(Attended::local(running, one_off.terminal.is_some()))
            }
            Place::Cloud(cloud) => {
                let container = one_off.container_in(release)?.name.clone();
                let one_off = ecs::OneOff { container, command: one_off.command.clone(), by };
                Ok(Attended::cloud(cloud.platform.run(release, &one_off).await?))
            }
        }
    }

    /// Finds the container that a command is meant for, where what runs it there is at hand.
    pub(crate) async fn find_task(&self, release: &Release, exec: &Exec) -> Result<TaskPlace> {
        match &self.place {
            Place::Local(local) => Ok(TaskPlace::Local(local.platform.find_task(release, exec).await?)),
            Place::Cloud(cloud) => {
                cloud.plugin().await?;
                let (task, container) = (exec.task.as_deref(), exec.container.as_deref());
                Ok(TaskPlace::Cloud(cloud.platform.find_task(release, task, container).await?))
            }
        }
    }

    /// Runs a command there.
    pub(crate) async fn exec(&self, place: &TaskPlace, exec: &Exec) -> Result<Running> {
        match (&self.place, place) {
            (Place::Local(local), TaskPlace::Local(place)) => {
                let running = local.platform.exec(place, exec).await?;
                Ok(Running::Attended(Attended::local(running, exec.terminal.is_some())))
            }
            (Place::Cloud(cloud), TaskPlace::Cloud(place)) => {
                let plugin = cloud.plugin().await?;
                let session = cloud.platform.exec(place, &exec.command).await?;
                Ok(Running::Lent(plugin.command(&session)))
            }
            _ => Err(Error::new(ErrorKind::Unexpected, "run a command in a task of another platform")),
        }
    }
}
