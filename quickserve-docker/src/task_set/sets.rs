//! Starting and stopping tasks, one step at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use quickserve_core::clock::{Clock, after};
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::{SetSpec, SetState, TaskFailure, TaskId, TaskPhase, TaskSets, TaskState};
use quickserve_core::release::{Release, ReleaseId};
use quickserve_core::secrets::SecretStore;
use quickserve_core::service::ServiceKey;
use quickserve_core::workload::Container;
use quickserve_core::{Error, ErrorKind, Result};

use super::blueprint::{Blueprint, Part};
use super::definition::{Definition, environment};
use super::task::{Task, group, policy};
use super::{Failures, Fences, failure, ports};
use crate::engine::{Attachment, Created, Engine, Inspected, Listed, RestartPolicy, RunState, Started};
use crate::{names, random};

/// How often another port is tried when one was taken meanwhile.
const PORT_ATTEMPTS: usize = 5;
/// How often another name is tried when a stranger has it.
const NAME_ATTEMPTS: u32 = 16;

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
    engine: Engine,
    key: ServiceKey,
    secrets: Arc<dyn SecretStore>,
    clock: Arc<dyn Clock>,
    fences: Fences,
    failures: Failures,
    /// When containers were asked to end, by id.
    asked: Mutex<HashMap<String, Timestamp>>,
}

/// What came of bringing up a container of a task.
enum BroughtUp {
    /// It exists and was started, or cannot be.
    Ours,
    /// Another container has its name.
    Other(Box<Inspected>),
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

    /// Places a new task, or takes over the one that somebody else placed there first.
    async fn place(
        &self,
        fence: &Fence,
        spec: &SetSpec,
        blueprint: &Blueprint,
        ordinal: u32,
        generation: u32,
    ) -> Result<Task> {
        let nonce = random::hex(&random::bytes::<4>()?);
        let mut task = Task {
            id: TaskId(format!("{:#}-{ordinal}-{nonce}", spec.release.id)),
            release: spec.release.id.clone(),
            ordinal,
            generation,
            epoch: fence.epoch,
            blueprint: blueprint.clone(),
            containers: BTreeMap::new(),
        };
        for _ in 0..NAME_ATTEMPTS {
            let Some(first) = task.blueprint.parts.first().cloned() else { break };
            match self.bring_up(fence, spec, &mut task, &first).await? {
                BroughtUp::Ours => {
                    self.step(fence, spec, &mut task).await?;
                    return Ok(task);
                }
                BroughtUp::Other(container) => {
                    let container = *container;
                    let theirs = self.is_ours(&container).then(|| Task::from_labels(&container.labels)).flatten();
                    match theirs {
                        Some((name, mut theirs)) if theirs.release == task.release && theirs.ordinal == ordinal => {
                            theirs.containers.insert(name, container);
                            if !theirs.is_doomed() && theirs.phase() != TaskPhase::Ended {
                                self.step(fence, spec, &mut theirs).await?;
                                return Ok(theirs);
                            }
                        }
                        _ => {}
                    }
                    task.generation += 1;
                }
            }
        }
        let name = names::task(&self.key, &task.release, ordinal, generation);
        Err(Error::new(ErrorKind::Conflict, format!("find a free name for task {name}")).temporary())
    }

    fn is_ours(&self, container: &Inspected) -> bool {
        names::service_labels(&self.key)
            .iter()
            .all(|(name, value)| container.labels.get(name) == Some(value))
    }

    /// Starts those containers of a task that can start now and gives all the standing asked for.
    async fn step(&self, fence: &Fence, spec: &SetSpec, task: &mut Task) -> Result<()> {
        for part in task.blueprint.parts.clone() {
            if task.ending().is_some() {
                return Ok(());
            }
            match task.containers.get(&part.name) {
                Some(container) if container.state != RunState::Created => {}
                _ if !task.is_ready(&part) => continue,
                _ => {
                    if let BroughtUp::Other(other) = self.bring_up(fence, spec, task, &part).await? {
                        let message = format!("create container {}: its name is taken", other.name);
                        return Err(Error::new(ErrorKind::Conflict, message));
                    }
                }
            }
            let wanted = policy(&part, spec.standing);
            if let Some(container) = task.containers.get_mut(&part.name)
                && container.policy != wanted
            {
                self.fences.admit(fence)?;
                self.engine.set_policy(&container.id, wanted).await?;
                container.policy = wanted;
            }
        }
        Ok(())
    }

    /// Makes a container of a task where there is none, and starts it.
    async fn bring_up(
        &self,
        fence: &Fence,
        spec: &SetSpec,
        task: &mut Task,
        part: &Part,
    ) -> Result<BroughtUp> {
        // The error of the last attempt to publish, left by a crash between two attempts.
        if let Some(container) = task.containers.get(&part.name)
            && container.start_error.is_some()
        {
            self.engine.remove(&container.id).await?;
            task.containers.remove(&part.name);
        }
        let mut variables = None;
        for _ in 0..PORT_ATTEMPTS {
            self.fences.admit(fence)?;
            let id = match task.containers.get(&part.name) {
                Some(container) => container.id.clone(),
                None => {
                    if variables.is_none() {
                        let container = container_of(&spec.release, part)?;
                        self.ensure_volumes(&spec.release, container).await?;
                        variables = Some(environment(&spec.release, container, &*self.secrets).await?);
                    }
                    let variables = variables.clone().unwrap_or_default();
                    match self.create(fence, spec, task, part, variables).await? {
                        Made::New(id) => id,
                        Made::Found(container) => {
                            if container.labels.get(names::TASK) != Some(&task.id.0) {
                                return Ok(BroughtUp::Other(container));
                            }
                            let id = container.id.clone();
                            task.containers.insert(part.name.clone(), *container);
                            id
                        }
                    }
                }
            };
            self.fences.admit(fence)?;
            match self.engine.start(&id).await? {
                Started::Yes | Started::Failed => {
                    if let Some(container) = self.engine.inspect(&id).await? {
                        task.containers.insert(part.name.clone(), container);
                    }
                    return Ok(BroughtUp::Ours);
                }
                Started::NetworkGone => self.engine.ensure_network(self.key.environment()).await?,
                Started::PortTaken => {
                    self.engine.remove(&id).await?;
                    task.containers.remove(&part.name);
                }
            }
        }
        let message = format!("publish the ports of container {}: each that was free was taken", part.name);
        Err(Error::new(ErrorKind::Conflict, message).temporary())
    }

    async fn create(
        &self,
        fence: &Fence,
        spec: &SetSpec,
        task: &Task,
        part: &Part,
        variables: BTreeMap<String, secrecy::SecretString>,
    ) -> Result<Made> {
        let workload = &spec.release.workload;
        let cpus = match workload.cpu_units {
            Some(_) => Some(self.engine.cpus().await?),
            None => None,
        };
        let definition = Definition {
            key: &self.key,
            spec,
            blueprint: &task.blueprint,
            id: &task.id,
            ordinal: task.ordinal,
            generation: task.generation,
            epoch: fence.epoch,
            cpus,
        };
        let network = self.attachment(&spec.release, task, part)?;
        let new = definition.container(part, variables, network)?;
        let mut created = self.engine.create(&new).await?;
        if matches!(created, Created::NetworkGone) {
            self.engine.ensure_network(self.key.environment()).await?;
            created = self.engine.create(&new).await?;
        }
        match created {
            Created::New(id) => Ok(Made::New(id)),
            Created::NameTaken => match self.engine.inspect(&new.name).await? {
                Some(container) => Ok(Made::Found(Box::new(container))),
                None => {
                    let message = format!("create container {}: it is being made or removed", new.name);
                    Err(Error::new(ErrorKind::Conflict, message).temporary())
                }
            },
            Created::NetworkGone => {
                let name = names::network(self.key.environment());
                let message = format!("create container {}: network {name} went away", new.name);
                Err(Error::new(ErrorKind::Conflict, message).temporary())
            }
        }
    }

    /// How a container of a task is attached to the network.
    fn attachment(&self, release: &Release, task: &Task, part: &Part) -> Result<Attachment> {
        let is_holder = part.name == task.blueprint.holder;
        if !is_holder && !part.apart {
            let holder = task.containers.get(&task.blueprint.holder).ok_or_else(|| {
                let message = format!("join container {} to its task's network: no container holds it", part.name);
                Error::new(ErrorKind::Unexpected, message)
            })?;
            return Ok(Attachment::Joined(holder.id.clone()));
        }
        let network = names::network(self.key.environment());
        if !is_holder {
            return Ok(Attachment::Bridge { network, aliases: Vec::new(), published: BTreeMap::new() });
        }
        let workload = &release.workload;
        let joined = workload.containers.iter().filter(|container| {
            task.blueprint.part(&container.name).is_some_and(|part| !part.apart)
        });
        let inner: BTreeSet<u16> =
            joined.flat_map(|container| &container.ports).copied().chain(task.blueprint.port).collect();
        let outer = ports::free(inner.len())?;
        let service = self.key.service();
        let aliases = vec![service.to_owned(), format!("{:#}.{service}", release.id)];
        Ok(Attachment::Bridge { network, aliases, published: inner.into_iter().zip(outer).collect() })
    }

    /// Makes the named volumes that a container mounts.
    async fn ensure_volumes(&self, release: &Release, container: &Container) -> Result<()> {
        let named = release.workload.volumes.iter().filter(|volume| {
            volume.host_path.is_none() && container.mounts.iter().any(|mount| mount.volume == volume.name)
        });
        let made = named.map(|volume| {
            let mut labels = names::service_labels(&self.key);
            labels.insert(names::VOLUME.to_owned(), volume.name.clone());
            let name = names::volume(&self.key, &volume.name);
            async move { self.engine.ensure_volume(&name, labels).await }
        });
        try_join_all(made).await.map(drop)
    }

    /// One step towards the end of a task; `None` when nothing of it is left.
    async fn end(&self, mut task: Task) -> Result<Option<Task>> {
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
                self.lock_asked().insert(container.id.clone(), now);
                Ok(())
            }
            Some(asked) if now >= after(asked, container.stop_timeout) => {
                self.engine.kill(&container.id, "SIGKILL").await
            }
            Some(_) => Ok(()),
        }
    }

    fn lock_asked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Timestamp>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of making a container.
enum Made {
    New(String),
    Found(Box<Inspected>),
}

fn container_of<'a>(release: &'a Release, part: &Part) -> Result<&'a Container> {
    release.workload.container(&part.name).ok_or_else(|| {
        let message = format!("release {:#} has no container {}", release.id, part.name);
        Error::new(ErrorKind::Invalid, message)
    })
}

fn of_release<'a>(listed: &'a [Listed], release: &'a ReleaseId) -> impl Iterator<Item = &'a Listed> {
    listed.iter().filter(|one| one.labels.get(names::RELEASE).is_some_and(|name| name == release.as_str()))
}

fn is_live(task: &Task) -> bool {
    !task.is_doomed() && task.phase() != TaskPhase::Ended
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
        let mut surplus = tasks.iter().filter(|task| is_live(task)).count().saturating_sub(spec.tasks as usize);
        for task in tasks.iter_mut().rev() {
            if surplus > 0 && is_live(task) && task.never_started() {
                for container in task.containers.values() {
                    self.engine.remove(&container.id).await?;
                }
                task.containers.clear();
                surplus -= 1;
            }
        }
        tasks.retain(|task| !task.containers.is_empty());

        let taken: BTreeSet<u32> = tasks.iter().filter(|task| is_live(task)).map(|task| task.ordinal).collect();
        let live = tasks.iter().filter(|task| is_live(task)).count();
        let missing = (spec.tasks as usize).saturating_sub(live);
        let places: Vec<(u32, u32)> = (0..)
            .filter(|ordinal| !taken.contains(ordinal))
            .take(missing)
            .map(|ordinal| {
                let before = tasks.iter().filter(|task| task.ordinal == ordinal);
                (ordinal, before.map(|task| task.generation).max().unwrap_or(0) + 1)
            })
            .collect();

        let steps = tasks.iter_mut().filter(|task| is_live(task)).map(|task| self.step(fence, spec, task));
        let placed = places
            .into_iter()
            .map(|(ordinal, generation)| self.place(fence, spec, &blueprint, ordinal, generation));
        let (stepped, placed) = futures_util::join!(join_all(steps), join_all(placed));
        stepped.into_iter().collect::<Result<()>>()?;
        tasks.extend(placed.into_iter().collect::<Result<Vec<Task>>>()?);
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
        Ok(left.iter().flatten().map(Task::state).collect())
    }
}

impl fmt::Display for DockerTaskSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task sets of {} on the {}", self.key, self.engine)
    }
}
