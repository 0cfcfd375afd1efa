//! A task as its containers show it.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};

use quickserve_core::fence::Epoch;
use quickserve_core::orchestrator::{Health, Standing, TaskId, TaskPhase, TaskState};
use quickserve_core::release::ReleaseId;
use quickserve_core::workload::Condition;

use super::blueprint::{Blueprint, Part};
use crate::engine::{CheckResult, Inspected, RestartPolicy, RunState};
use crate::names;

/// A task and those of its containers that exist.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) release: ReleaseId,
    pub(crate) ordinal: u32,
    pub(crate) generation: u32,
    pub(crate) epoch: Epoch,
    pub(crate) blueprint: Blueprint,
    /// By their names in the workload.
    pub(crate) containers: BTreeMap<String, Inspected>,
}

/// Groups containers into tasks, by ordinal and id. One whose labels cannot be read is not ours to judge.
pub(crate) fn group(containers: impl IntoIterator<Item = Inspected>) -> Vec<Task> {
    let mut tasks: BTreeMap<(u32, TaskId), Task> = BTreeMap::new();
    for container in containers {
        let Some((name, task)) = Task::from_labels(&container.labels) else { continue };
        let key = (task.ordinal, task.id.clone());
        tasks.entry(key).or_insert(task).containers.insert(name, container);
    }
    tasks.into_values().collect()
}

/// Why a task has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    /// The container that ended it.
    pub(crate) part: &'a Part,
    pub(crate) container: &'a Inspected,
}

impl Task {
    /// The task that a container belongs to, without any container yet, and the container's name in it.
    pub(crate) fn from_labels(labels: &HashMap<String, String>) -> Option<(String, Self)> {
        let task = Self {
            id: TaskId(labels.get(names::TASK)?.clone()),
            release: labels.get(names::RELEASE)?.parse().ok()?,
            ordinal: labels.get(names::ORDINAL)?.parse().ok()?,
            generation: labels.get(names::GENERATION)?.parse().ok()?,
            epoch: Epoch(labels.get(names::EPOCH)?.parse().ok()?),
            blueprint: serde_json::from_str(labels.get(names::BLUEPRINT)?).ok()?,
            containers: BTreeMap::new(),
        };
        Some((labels.get(names::CONTAINER)?.clone(), task))
    }

    /// Whether a destructive intent has named it.
    pub(crate) fn is_doomed(&self) -> bool {
        self.containers.values().any(|container| names::is_doomed(&container.name))
    }

    /// Whether none of its containers has ever started.
    pub(crate) fn never_started(&self) -> bool {
        self.containers.values().all(|one| one.state == RunState::Created && one.started.is_none())
    }

    /// What ended it: an essential container that ended or could not start, else one that another waits for
    /// in vain. The first to end, where several did.
    pub(crate) fn ending(&self) -> Option<Ending<'_>> {
        let ended = self.parts_with_containers().filter(|(part, container)| {
            has_failed_to_start(container)
                || (container.state == RunState::Ended
                    && (part.essential && !part.once || self.is_vain(part)))
        });
        let ending = ended.min_by_key(|(_, container)| container.ended);
        ending.map(|(part, container)| Ending { part, container })
    }

    /// Whether a container waits for something of this one that can never come.
    fn is_vain(&self, part: &Part) -> bool {
        let Some(container) = self.containers.get(&part.name) else { return false };
        let waiting = self.blueprint.parts.iter().filter(|other| {
            self.containers.get(&other.name).is_none_or(|other| other.state == RunState::Created)
        });
        waiting.flat_map(|other| &other.needs).filter(|need| need.container == part.name).any(|need| {
            match need.condition {
                Condition::Success => container.exit_code != 0,
                Condition::Healthy => true,
                // A holder that has ended can be joined no more.
                Condition::Start => part.name == self.blueprint.holder,
                Condition::Complete => false,
            }
        })
    }

    /// Whether everything that a container waits for has happened.
    pub(crate) fn is_ready(&self, part: &Part) -> bool {
        part.needs.iter().all(|need| {
            self.containers.get(&need.container).is_some_and(|container| match need.condition {
                Condition::Start => container.started.is_some() && container.state != RunState::Created,
                Condition::Complete => container.state == RunState::Ended,
                Condition::Success => container.state == RunState::Ended && container.exit_code == 0,
                Condition::Healthy => container.check == CheckResult::Healthy,
            })
        })
    }

    /// The task as the engine of deployments sees it.
    pub(crate) fn state(&self) -> TaskState {
        TaskState {
            id: self.id.clone(),
            ordinal: self.ordinal,
            epoch: self.epoch,
            phase: self.phase(),
            health: self.health(),
            address: self.address(),
            images: self
                .containers
                .iter()
                .filter_map(|(name, container)| Some((name.clone(), container.image.clone()?)))
                .collect(),
            standing: self.standing(),
            started: self.containers.get(&self.blueprint.holder).and_then(|container| container.started),
            restarts: self.containers.values().map(|container| container.restarts).sum(),
            doomed: self.is_doomed(),
            killed: false,
        }
    }

    pub(crate) fn phase(&self) -> TaskPhase {
        if self.ending().is_some() {
            return TaskPhase::Ended;
        }
        let all_started = self.blueprint.parts.iter().all(|part| {
            self.containers.get(&part.name).is_some_and(|container| match container.state {
                RunState::Created | RunState::Restarting => false,
                RunState::Running | RunState::Ended => true,
            })
        });
        if all_started { TaskPhase::Running } else { TaskPhase::Starting }
    }

    /// From its essential containers' health checks. ECS documentation, "healthStatus" of a task.
    fn health(&self) -> Health {
        let holder_started = self.containers.get(&self.blueprint.holder).and_then(|holder| holder.started);
        let mut healths = Vec::new();
        for (part, container) in self.parts_with_containers().filter(|(part, _)| part.essential && !part.once)
        {
            if container.state == RunState::Restarting {
                let why = format!("container {} exited {} and is restarted", part.name, container.exit_code);
                return Health::Unhealthy(why);
            }
            // The engine gives a restarted holder a new network and leaves those that joined in the old one.
            let joined = part.name != self.blueprint.holder && !part.apart;
            if joined && container.started < holder_started {
                let why = format!(
                    "container {} lost its network when {} restarted",
                    part.name, self.blueprint.holder
                );
                return Health::Unhealthy(why);
            }
            // The engine calls its health check failed meanwhile, though its last run passed.
            if container.paused {
                return Health::Unhealthy(format!("container {} is paused", part.name));
            }
            match &container.check {
                CheckResult::Unhealthy(why) => return Health::Unhealthy(why.clone()),
                CheckResult::Starting => healths.push(false),
                CheckResult::Healthy => healths.push(true),
                CheckResult::None => {}
            }
        }
        if !healths.is_empty() && healths.into_iter().all(|healthy| healthy) {
            Health::Healthy
        } else {
            Health::Unknown
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        let holder = self.containers.get(&self.blueprint.holder)?;
        let port = holder.published.get(&self.blueprint.port?)?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, *port)))
    }

    /// Read back from the restart policies: promoted when every container that the engine should start
    /// again is one that it does.
    pub(crate) fn standing(&self) -> Standing {
        let mut lasting = self.parts_with_containers().filter(|(part, _)| !part.once).peekable();
        let promoted = lasting.peek().is_some()
            && lasting.all(|(part, container)| container.policy == part.promoted_policy());
        if promoted { Standing::Promoted } else { Standing::Staged }
    }

    pub(crate) fn parts_with_containers(&self) -> impl Iterator<Item = (&Part, &Inspected)> {
        self.blueprint.parts.iter().filter_map(|part| Some((part, self.containers.get(&part.name)?)))
    }
}

/// Whether the engine tried to start a container and could not, for a reason that will not go away.
pub(crate) fn has_failed_to_start(container: &Inspected) -> bool {
    container.state == RunState::Created
        && container.start_error.as_deref().is_some_and(|error| !crate::engine::is_port_taken(error))
}

/// The restart policy that a standing asks of a container.
pub(crate) fn policy(part: &Part, standing: Standing) -> RestartPolicy {
    match standing {
        Standing::Staged => RestartPolicy::No,
        Standing::Promoted => part.promoted_policy(),
    }
}
