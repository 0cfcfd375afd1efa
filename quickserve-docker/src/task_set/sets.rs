//! Starting and stopping tasks, one step at a time.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::{join_all, try_join_all};
use quickserve_core::Result;
use quickserve_core::clock::Clock;
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::{SetSpec, SetState, TaskFailure, TaskId, TaskPhase, TaskSets, TaskState};
use quickserve_core::release::{Release, ReleaseId};
use quickserve_core::secrets::SecretStore;
use quickserve_core::service::ServiceKey;

use super::blueprint::Blueprint;
use super::stop::Asked;
use super::task::{Task, group};
use super::{Failures, Fences, failure};
use crate::engine::{Engine, Listed};
use crate::names;

/// The task sets of one service on a Docker engine.
///
/// A task is one container, or several that share the network of one of them, the holder, and so reach each
/// other on localhost. Ports are published on loopback by a number chosen once, so a restart keeps them.
///
/// **Never more than asked.** A task's containers are named after release, place and generation (how many
/// tasks had the place before). The engine lets one container have a name: a call made twice, or by two
/// owners, or after a lost answer finds the first one's container and takes it over.
///
/// **Doomed for ever.** [`doom`](TaskSets::doom) first renames a task's containers (`.doomed`): the intent
/// survives the process. Then it sets their restart policies to `no`, asks them to end in the reverse of
/// their start order, the holder last, kills those that outlive their stop timeout (counted by this
/// process), and removes what has ended.
#[derive(Debug)]
pub struct DockerTaskSets {
    pub(super) engine: Engine,
    pub(super) key: ServiceKey,
    pub(super) secrets: Arc<dyn SecretStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) fences: Fences,
    pub(super) failures: Failures,
    /// When containers were asked to end, by id.
    pub(super) asked: Mutex<HashMap<String, Asked>>,
}

impl DockerTaskSets {
    pub(crate) fn new(
        engine: Engine,
        key: ServiceKey,
        secrets: Arc<dyn SecretStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            engine,
            key,
            secrets,
            fences: Fences::new(Arc::clone(&clock)),
            clock,
            failures: Failures::default(),
            asked: Mutex::default(),
        }
    }

    pub(crate) fn fences(&self) -> &Fences {
        &self.fences
    }

    pub(crate) fn secrets(&self) -> &dyn SecretStore {
        &*self.secrets
    }

    /// Whether a release's containers can be made into tasks.
    pub(crate) fn check(release: &Release) -> Result<()> {
        Blueprint::of(&release.workload).map(drop)
    }

    /// The service's containers.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>> {
        self.engine.list(&names::service_labels(&self.key)).await
    }

    /// A closer look at some of them, grouped into tasks. What is gone meanwhile is left out.
    pub(crate) async fn tasks<'a>(&self, listed: impl IntoIterator<Item = &'a Listed>) -> Result<Vec<Task>> {
        let looks = listed.into_iter().map(|container| self.engine.inspect(&container.id));
        Ok(group(try_join_all(looks).await?.into_iter().flatten()))
    }

    /// Why tasks of a release ended by themselves: those that are still there and those remembered.
    pub(crate) async fn explain(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>> {
        let listed = self.list().await?;
        let tasks = self.tasks(of_release(&listed, release)).await?;
        let ended = tasks.iter().filter(|task| !task.is_doomed());
        let found = join_all(ended.map(|task| failure::explain(&self.engine, task))).await;
        Ok(self.failures.beside(release, found.into_iter().flatten().collect()))
    }
}

fn of_release<'a>(listed: &'a [Listed], release: &'a ReleaseId) -> impl Iterator<Item = &'a Listed> {
    listed.iter().filter(|one| one.labels.get(names::RELEASE).is_some_and(|name| name == release.as_str()))
}

/// Whether a task counts: neither doomed, here or by the plan, nor ended.
pub(super) fn is_live(task: &Task, spec: &SetSpec) -> bool {
    !task.is_doomed() && !spec.doomed.contains(&task.id) && task.phase() != TaskPhase::Ended
}

#[async_trait]
impl TaskSets for DockerTaskSets {
    async fn advance(&self, fence: &Fence, spec: &SetSpec) -> Result<SetState> {
        self.fences.admit(fence)?;
        let listed = self.list().await?;
        self.fences.admit_beside(fence, &listed)?;
        let blueprint = Blueprint::of(&spec.release.workload)?;
        let mut tasks = self.tasks(of_release(&listed, &spec.release.id)).await?;

        // What a crash left without ever starting it, and nobody needs any more.
        let mut surplus =
            tasks.iter().filter(|task| is_live(task, spec)).count().saturating_sub(spec.tasks as usize);
        for task in tasks.iter_mut().rev() {
            if surplus > 0 && is_live(task, spec) && task.never_started() {
                for container in task.containers.values() {
                    self.engine.remove(&container.id).await?;
                }
                task.containers.clear();
                surplus -= 1;
            }
        }
        tasks.retain(|task| !task.containers.is_empty());

        let taken: BTreeSet<u32> =
            tasks.iter().filter(|task| is_live(task, spec)).map(|task| task.ordinal).collect();
        let live = tasks.iter().filter(|task| is_live(task, spec)).count();
        let missing = (spec.tasks as usize).saturating_sub(live);
        let free: Vec<(u32, u32)> = (0..)
            .filter(|ordinal| !taken.contains(ordinal))
            .take(missing)
            .map(|ordinal| {
                let before = tasks.iter().filter(|task| task.ordinal == ordinal);
                (ordinal, before.map(|task| task.generation).max().unwrap_or(0) + 1)
            })
            .collect();

        let steps =
            tasks.iter_mut().filter(|task| is_live(task, spec)).map(|task| self.step(fence, spec, task));
        let made = free
            .into_iter()
            .map(|(ordinal, generation)| self.place(fence, spec, &blueprint, ordinal, generation));
        let (stepped, made) = futures_util::join!(join_all(steps), join_all(made));
        stepped.into_iter().collect::<Result<()>>()?;
        tasks.extend(made.into_iter().collect::<Result<Vec<Option<Task>>>>()?.into_iter().flatten());
        tasks.sort_by(|a, b| (a.ordinal, &a.id).cmp(&(b.ordinal, &b.id)));
        Ok(SetState { tasks: tasks.iter().map(Task::state).collect() })
    }

    async fn doom(&self, fence: &Fence, tasks: &[TaskId]) -> Result<Vec<TaskState>> {
        self.fences.admit(fence)?;
        let listed = self.list().await?;
        self.fences.admit_beside(fence, &listed)?;
        let named = listed.iter().filter(|container| {
            container.labels.get(names::TASK).is_some_and(|label| tasks.iter().any(|task| &task.0 == label))
        });
        let tasks = self.tasks(named).await?;
        let left = join_all(tasks.into_iter().map(|task| self.end(task))).await;
        let left = left.into_iter().collect::<Result<Vec<Option<Task>>>>()?;
        let state = |task: &Task| TaskState { killed: self.was_killed(task), ..task.state() };
        Ok(left.iter().flatten().map(state).collect())
    }
}

impl fmt::Display for DockerTaskSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task sets of {} on the {}", self.key, self.engine)
    }
}
