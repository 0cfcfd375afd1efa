//! Stopping and removing the containers of a task.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use jiff::Timestamp;
use quickserve_core::clock::after;
use quickserve_core::{Error, Result};

use super::task::Task;
use super::{DockerTaskSets, failure};
use crate::engine::{Inspected, RestartPolicy, RunState};
use crate::names;

/// A container that was asked to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    at: Timestamp,
    /// Whether it was killed, because it did not end in time.
    killed: bool,
}

impl DockerTaskSets {
    /// One step towards the end of a task; `None` when nothing of it is left.
    pub(super) async fn end(&self, mut task: Task) -> Result<Option<Task>> {
        if !task.is_doomed()
            && let Some(failure) = failure::explain(&self.engine, &task).await
        {
            self.failures.remember(&task.release, failure);
        }
        self.mark(&mut task).await?;
        // Dependents come later in the blueprint, so their end is seen first.
        for part in task.blueprint.parts.clone().iter().rev() {
            let Some(container) = task.containers.get(&part.name) else { continue };
            match container.state {
                RunState::Running | RunState::Restarting => {
                    let waits = task.blueprint.dependents(&part.name).any(|dependent| {
                        task.containers
                            .get(&dependent.name)
                            .is_some_and(|one| matches!(one.state, RunState::Running | RunState::Restarting))
                    });
                    if !waits {
                        self.ask_to_end(container).await?;
                    }
                }
                RunState::Created | RunState::Ended => {
                    if self.engine.remove(&container.id).await? {
                        self.lock_asked().remove(&container.id);
                        task.containers.remove(&part.name);
                    }
                }
            }
        }
        Ok((!task.containers.is_empty()).then_some(task))
    }

    /// Makes the intent durable, then keeps the engine from starting the containers again.
    async fn mark(&self, task: &mut Task) -> Result<()> {
        let marks = task.containers.values_mut().map(|container| async move {
            if !names::is_doomed(&container.name) {
                let name = names::doomed(&container.name);
                self.engine.rename(&container.id, &name).await?;
                container.name = name;
            }
            if container.policy != RestartPolicy::No {
                self.engine.set_policy(&container.id, RestartPolicy::No).await?;
                container.policy = RestartPolicy::No;
            }
            Ok::<(), Error>(())
        });
        try_join_all(marks).await.map(drop)
    }

    /// Asks a container to end, once; after its stop timeout it is killed.
    async fn ask_to_end(&self, container: &Inspected) -> Result<()> {
        let now = self.clock.now();
        let asked = self.lock_asked().get(&container.id).copied();
        match asked {
            None => {
                self.engine.kill(&container.id, &container.stop_signal).await?;
                self.lock_asked().insert(container.id.clone(), Asked { at: now, killed: false });
                Ok(())
            }
            Some(Asked { at, .. }) if now >= after(at, container.stop_timeout) => {
                self.engine.kill(&container.id, "SIGKILL").await?;
                self.lock_asked().insert(container.id.clone(), Asked { at, killed: true });
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether a container of a task had to be killed.
    pub(super) fn was_killed(&self, task: &Task) -> bool {
        let asked = self.lock_asked();
        task.containers.values().any(|one| asked.get(&one.id).is_some_and(|asked| asked.killed))
    }

    fn lock_asked(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
