//! The platform: task sets in memory.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::world::{Change, Inner, MemoryTask, World};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{Interceptor, intercept};
use crate::fence::Fence;
use crate::orchestrator::{
    Capabilities, Drive, Observed, Orchestrator, Revision, SetSpec, SetState, TaskFailure, TaskId, TaskPhase,
    TaskSets, TaskState,
};
use crate::release::{Release, ReleaseId};
use crate::traffic::SplitVersion;

/// One process' way to a [`World`]'s platform.
#[derive(Debug, Clone)]
pub struct MemoryPlatform {
    world: World,
    interceptor: Arc<dyn Interceptor>,
}

impl MemoryPlatform {
    pub(super) fn new(world: World, interceptor: Arc<dyn Interceptor>) -> Self {
        Self { world, interceptor }
    }
}

impl fmt::Display for MemoryPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl Orchestrator for MemoryPlatform {
    fn drive(&self) -> Drive {
        let router = Arc::new(self.world.router(self.interceptor.clone()));
        Drive::Stepwise { sets: Arc::new(self.clone()), router }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            side_by_side: true,
            weighted_traffic: true,
            preview: true,
            standby: true,
            max_tasks: 10,
            managed: false,
            native: None,
        }
    }

    async fn observe(&self) -> Result<Observed> {
        let observe = || async {
            let now = self.world.now();
            let mut inner = self.world.lock();
            inner.settle(now);
            let split_version = SplitVersion(inner.router.version);
            Ok(Observed {
                sets: inner.sets(now, false),
                split: inner.router.split.clone(),
                split_version,
                rollout: None,
            })
        };
        intercept(&*self.interceptor, "platform", "observe", false, observe).await
    }

    async fn register(&self, fence: &Fence, release: &Release) -> Result<Revision> {
        let register = || async {
            let mut inner = self.world.lock();
            inner.fence_sets(fence)?;
            if !inner.registered.contains(&release.id) {
                inner.registered.push(release.id.clone());
            }
            Ok(Revision(release.id.to_string()))
        };
        intercept(&*self.interceptor, "platform", "register", true, register).await
    }

    async fn explain(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>> {
        let explain = || async {
            let now = self.world.now();
            let inner = self.world.lock();
            let removed = inner.failed.iter().filter(|(other, _)| other == release).map(|(_, task)| task);
            let present = inner.tasks.values().filter(|task| task.release == *release);
            let mut crashed: Vec<(Timestamp, &MemoryTask)> = removed
                .chain(present)
                .filter_map(|task| Some((inner.crash(task).filter(|end| *end <= now)?, task)))
                .collect();
            crashed.sort_by(|a, b| (b.0, &b.1.id).cmp(&(a.0, &a.1.id)));
            let failure = |(end, task): (Timestamp, &MemoryTask)| TaskFailure {
                task: task.id.clone(),
                container: "app".to_owned(),
                reason: "exited 1".to_owned(),
                exit_code: Some(1),
                out_of_memory: false,
                ended: Some(end),
                log_tail: vec!["crashed on purpose".to_owned()],
                last_words: Some("crashed on purpose".to_owned()),
                log_unread: None,
            };
            Ok(crashed.into_iter().map(failure).collect())
        };
        intercept(&*self.interceptor, "platform", "explain", false, explain).await
    }

    async fn circumstances(&self, _: &ReleaseId, _: Timestamp) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl TaskSets for MemoryPlatform {
    async fn advance(&self, fence: &Fence, spec: &SetSpec) -> Result<SetState> {
        let advance = || async {
            let now = self.world.now();
            let mut changes = Vec::new();
            let set = {
                let mut inner = self.world.lock();
                inner.settle(now);
                inner.fence_sets(fence)?;
                if !inner.registered.contains(&spec.release.id) {
                    let message = format!("{:#} is not registered", spec.release.id);
                    return Err(Error::new(ErrorKind::NotFound, message));
                }
                let placed = inner.place(fence, spec, now);
                if !placed.is_empty() {
                    changes.push(Change::Placed(placed));
                }
                for task in inner.tasks.values_mut().filter(|task| task.release == spec.release.id) {
                    if !spec.doomed.contains(&task.id) {
                        task.standing = spec.standing;
                    }
                }
                inner.set(&spec.release.id, now, false)
            };
            for change in changes {
                self.world.tell(&change, fence);
            }
            Ok(set)
        };
        intercept(&*self.interceptor, "sets", "advance", true, advance).await
    }

    async fn doom(&self, fence: &Fence, tasks: &[TaskId]) -> Result<Vec<TaskState>> {
        let doom = || async {
            let now = self.world.now();
            let (doomed, left) = {
                let mut inner = self.world.lock();
                inner.settle(now);
                inner.fence_sets(fence)?;
                let mut doomed = Vec::new();
                for id in tasks {
                    if let Some(task) = inner.tasks.get_mut(id)
                        && task.stopping.is_none()
                    {
                        task.stopping = Some(now);
                        doomed.push(id.clone());
                    }
                }
                let all = inner.sets(now, false).into_values().flat_map(|set| set.tasks);
                (doomed, all.filter(|task| tasks.contains(&task.id)).collect())
            };
            if !doomed.is_empty() {
                self.world.tell(&Change::Doomed(doomed), fence);
            }
            Ok(left)
        };
        intercept(&*self.interceptor, "sets", "doom", true, doom).await
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placed(tasks) => write!(f, "placed {} tasks", tasks.len()),
            Self::Doomed(tasks) => write!(f, "doomed {} tasks", tasks.len()),
            Self::Shifted { .. } => f.write_str("shifted traffic"),
            Self::Closed => f.write_str("closed the port"),
        }
    }
}

impl Inner {
    pub(super) fn fence_sets(&mut self, fence: &Fence) -> Result<()> {
        if fence.epoch < self.sets_epoch {
            let message = format!("epoch {} was followed by {}", fence.epoch, self.sets_epoch);
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        self.sets_epoch = fence.epoch;
        Ok(())
    }

    fn place(&mut self, fence: &Fence, spec: &SetSpec, now: Timestamp) -> Vec<TaskId> {
        let counts = |task: &&MemoryTask| {
            task.release == spec.release.id
                && task.stopping.is_none()
                && !spec.doomed.contains(&task.id)
                && self.phase(task, now) == TaskPhase::Running
        };
        let taken: Vec<u32> = self.tasks.values().filter(counts).map(|task| task.ordinal).collect();
        let missing = (spec.tasks as usize).saturating_sub(taken.len());
        let free: Vec<u32> = (0..).filter(|ordinal| !taken.contains(ordinal)).take(missing).collect();
        let mut placed = Vec::new();
        for ordinal in free {
            self.placed += 1;
            let id = TaskId(format!("t{:04}", self.placed));
            let port = 10_000 + u16::try_from(self.placed).unwrap_or(u16::MAX - 10_000);
            let task = MemoryTask {
                id: id.clone(),
                release: spec.release.id.clone(),
                ordinal,
                epoch: fence.epoch,
                started: now,
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                images: spec.release.digests(),
                standing: spec.standing,
                stopping: None,
                killed: None,
                batch: 0,
            };
            self.tasks.insert(id.clone(), task);
            placed.push(id);
        }
        placed
    }
}
