//! Making and starting the containers of a task.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::{SetSpec, TaskId};
use quickserve_core::release::Release;
use quickserve_core::workload::Container;
use quickserve_core::{Error, ErrorKind, Result};

use super::DockerTaskSets;
use super::blueprint::{Blueprint, Part};
use super::definition::{Definition, environment};
use super::ports;
use super::sets::is_live;
use super::task::{Task, policy};
use crate::engine::{Attachment, Created, Inspected, RunState, Started};
use crate::{names, random};

/// How often another port is tried when one was taken meanwhile.
const PORT_ATTEMPTS: usize = 5;
/// How often another name is tried when a stranger has it.
const NAME_ATTEMPTS: u32 = 16;

/// What came of bringing up a container of a task.
enum BroughtUp {
    /// It exists and was started, or cannot be.
    Ours,
    /// Another container has its name.
    Other(Box<Inspected>),
    /// Somebody makes or removes a container of its name at this moment: look again later.
    Busy,
}

/// What came of making a container.
enum Made {
    New(String),
    Found(Box<Inspected>),
    Busy,
}

fn container_of<'a>(release: &'a Release, part: &Part) -> Result<&'a Container> {
    release.workload.container(&part.name).ok_or_else(|| {
        let message = format!("release {:#} has no container {}", release.id, part.name);
        Error::new(ErrorKind::Invalid, message)
    })
}

impl DockerTaskSets {
    /// Places a new task, or takes over the one that somebody else placed there first.
    pub(super) async fn place(
        &self,
        fence: &Fence,
        spec: &SetSpec,
        blueprint: &Blueprint,
        ordinal: u32,
        generation: u32,
    ) -> Result<Option<Task>> {
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
                    return Ok(Some(task));
                }
                BroughtUp::Busy => return Ok(None),
                BroughtUp::Other(container) => {
                    let container = *container;
                    let theirs =
                        self.is_ours(&container).then(|| Task::from_labels(&container.labels)).flatten();
                    match theirs {
                        Some((name, mut theirs))
                            if theirs.release == task.release && theirs.ordinal == ordinal =>
                        {
                            theirs.containers.insert(name, container);
                            if is_live(&theirs, spec) {
                                self.step(fence, spec, &mut theirs).await?;
                                return Ok(Some(theirs));
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
        names::service_labels(&self.key).iter().all(|(name, value)| container.labels.get(name) == Some(value))
    }

    /// Starts those containers of a task that can start now and gives all the standing asked for.
    pub(super) async fn step(&self, fence: &Fence, spec: &SetSpec, task: &mut Task) -> Result<()> {
        for part in task.blueprint.parts.clone() {
            if task.ending().is_some() {
                return Ok(());
            }
            match task.containers.get(&part.name) {
                Some(container) if container.state != RunState::Created => {}
                _ if !task.is_ready(&part) => continue,
                _ => match self.bring_up(fence, spec, task, &part).await? {
                    BroughtUp::Ours => {}
                    BroughtUp::Busy => return Ok(()),
                    BroughtUp::Other(other) => {
                        let message = format!("create container {}: its name is taken", other.name);
                        return Err(Error::new(ErrorKind::Conflict, message));
                    }
                },
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
        for _ in 0..PORT_ATTEMPTS {
            self.fences.admit(fence)?;
            let id = if let Some(container) = task.containers.get(&part.name) {
                container.id.clone()
            } else {
                match self.create(fence, spec, task, part).await? {
                    Made::New(id) => id,
                    Made::Busy => return Ok(BroughtUp::Busy),
                    Made::Found(container) => {
                        if container.labels.get(names::TASK) != Some(&task.id.0) {
                            return Ok(BroughtUp::Other(container));
                        }
                        let id = container.id.clone();
                        task.containers.insert(part.name.clone(), *container);
                        id
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

    async fn create(&self, fence: &Fence, spec: &SetSpec, task: &Task, part: &Part) -> Result<Made> {
        let workload = &spec.release.workload;
        let container = container_of(&spec.release, part)?;
        self.ensure_volumes(&spec.release, container).await?;
        let variables = environment(&spec.release, container, &*self.secrets).await?;
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
                None => Ok(Made::Busy),
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
                let message =
                    format!("join container {} to its task's network: no container holds it", part.name);
                Error::new(ErrorKind::Unexpected, message)
            })?;
            return Ok(Attachment::Joined(holder.id.clone()));
        }
        let network = names::network(self.key.environment());
        if !is_holder {
            return Ok(Attachment::Bridge { network, aliases: Vec::new(), published: BTreeMap::new() });
        }
        let workload = &release.workload;
        let joined = workload
            .containers
            .iter()
            .filter(|container| task.blueprint.part(&container.name).is_some_and(|part| !part.apart));
        let inner: BTreeSet<u16> =
            joined.flat_map(|container| &container.ports).copied().chain(task.blueprint.port).collect();
        let outer = ports::free(inner.len())?;
        let service = self.key.service();
        let aliases = vec![service.to_owned(), format!("{:#}.{service}", release.id)];
        Ok(Attachment::Bridge { network, aliases, published: inner.into_iter().zip(outer).collect() })
    }

    /// Makes the named volumes that a container mounts.
    pub(crate) async fn ensure_volumes(&self, release: &Release, container: &Container) -> Result<()> {
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
}
