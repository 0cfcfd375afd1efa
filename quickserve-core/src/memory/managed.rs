//! A platform in memory that rolls out by itself, as ECS does: it places the new tasks beside the old ones, moves
//! requests once all are well, stops the old ones, and takes back what fails too often.
//!
//! Whatever it does by itself, it does at the next call of anybody.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::native::{Due, Native};
use super::platform::MemoryPlatform;
use super::world::{Change, Inner, MemoryTask, PREVIEW, World};
use crate::clock::after;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{Interceptor, intercept};
use crate::fence::Fence;
use crate::orchestrator::{
    Capabilities, Drive, Health, Observed, Orchestrator, Revision, Standing, TaskFailure, TaskId, TaskPhase,
};
use crate::plan::Strategy;
use crate::release::{Digest, Release, ReleaseId};
use crate::rollout::{
    Answer, Answered, GateId, ManagedRollout, Rollout, RolloutId, RolloutProgress, RolloutSpec, RolloutState,
    Started,
};
use crate::steps::failure_threshold;
use crate::traffic::{Percent, Role, Route, Split, SplitVersion, Upstream};

/// How long a task may take until it answers well.
const GRACE: Duration = Duration::from_secs(2);

/// One process' way to a [`World`]'s platform, which rolls out by itself.
#[derive(Debug, Clone)]
pub struct MemoryManaged {
    world: World,
    interceptor: Arc<dyn Interceptor>,
}

/// A rollout, from its start on.
#[derive(Debug, Clone)]
pub(super) struct MemoryRollout {
    /// Unique among all that there ever were, from 1.
    number: u64,
    id: RolloutId,
    release: ReleaseId,
    images: BTreeMap<String, Digest>,
    /// Of the call that started it: what the platform does by itself is done for it.
    fence: Fence,
    failed: u32,
    /// What is left to do where it does not roll.
    native: Option<Native>,
    end: Option<RolloutState>,
}

impl MemoryManaged {
    pub(super) fn new(world: World, interceptor: Arc<dyn Interceptor>) -> Self {
        Self { world, interceptor }
    }

    /// Lets the platform do what is due, and tells it.
    fn proceed(&self) {
        let now = self.world.now();
        loop {
            let (changes, fence) = {
                let mut inner = self.world.lock();
                inner.settle(now);
                let Some(fence) = inner.rollouts.last().map(|rollout| rollout.fence) else { return };
                (inner.proceed(now), fence)
            };
            if changes.is_empty() {
                return;
            }
            for change in changes {
                self.world.tell(&change, &fence);
            }
        }
    }
}

impl fmt::Display for MemoryManaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory that rolls out by itself")
    }
}

#[async_trait]
impl Orchestrator for MemoryManaged {
    fn drive(&self) -> Drive {
        Drive::Managed(Arc::new(self.clone()))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            side_by_side: true,
            weighted_traffic: false,
            preview: true,
            standby: false,
            max_tasks: 10,
            managed: true,
            native: Some(crate::orchestrator::Native {
                strategies: vec![Strategy::BlueGreen, Strategy::Canary, Strategy::Linear],
                unit: Duration::from_secs(1),
                least_step: Percent::CANARY,
            }),
        }
    }

    async fn observe(&self) -> Result<Observed> {
        let observe = || async {
            self.proceed();
            let now = self.world.now();
            let inner = self.world.lock();
            let newest = inner.rollouts.len();
            let rollout = inner.rollouts.last().map(|rollout| Rollout {
                id: rollout.id.clone(),
                revision: Revision(rollout.release.to_string()),
                release: Some(rollout.release.clone()),
                desired: inner.desired,
                succeeded: inner.state(newest - 1, now) == RolloutState::Succeeded,
                gated: rollout.end.is_none() && rollout.native.is_some(),
            });
            let mut sets = inner.sets(now, false);
            for task in sets.values_mut().flat_map(|set| &mut set.tasks) {
                let answers = inner.tasks.get(&task.id).is_some_and(|task| inner.answers(task, now));
                task.health = if answers { Health::Healthy } else { Health::Unknown };
                task.address = None;
            }
            let split_version = SplitVersion(inner.router.version);
            Ok(Observed { sets, split: inner.router.split.clone(), split_version, rollout })
        };
        intercept(&*self.interceptor, "platform", "observe", false, observe).await
    }

    async fn register(&self, fence: &Fence, release: &Release) -> Result<Revision> {
        MemoryPlatform::new(self.world.clone(), self.interceptor.clone()).register(fence, release).await
    }

    async fn explain(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>> {
        MemoryPlatform::new(self.world.clone(), self.interceptor.clone()).explain(release).await
    }

    async fn circumstances(&self, _: &ReleaseId, _: Timestamp) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl ManagedRollout for MemoryManaged {
    async fn start(&self, fence: &Fence, from: Option<&RolloutId>, spec: &RolloutSpec) -> Result<Started> {
        let start = || async {
            self.proceed();
            let started = {
                let mut inner = self.world.lock();
                inner.admit(fence, self.world.now())?;
                inner.start(fence, from, spec)?
            };
            self.proceed();
            Ok(started)
        };
        intercept(&*self.interceptor, "rollout", "start", true, start).await
    }

    async fn find(&self, release: &ReleaseId) -> Result<Option<RolloutId>> {
        let find = || async {
            self.proceed();
            let inner = self.world.lock();
            let newest = inner.rollouts.iter().rev().find(|rollout| rollout.release == *release);
            Ok(newest.map(|rollout| rollout.id.clone()))
        };
        intercept(&*self.interceptor, "rollout", "find", false, find).await
    }

    async fn state(&self, rollout: &RolloutId) -> Result<RolloutState> {
        let state = || async {
            self.proceed();
            let inner = self.world.lock();
            match inner.rollouts.iter().position(|known| known.id == *rollout) {
                Some(index) => Ok(inner.state(index, self.world.now())),
                None => Err(Error::new(ErrorKind::NotFound, format!("there is no rollout {rollout}"))),
            }
        };
        intercept(&*self.interceptor, "rollout", "state", false, state).await
    }

    async fn answer(
        &self,
        fence: &Fence,
        rollout: &RolloutId,
        gate: &GateId,
        answer: Answer,
    ) -> Result<Answered> {
        let answer = || async {
            self.proceed();
            let answered = {
                let (now, mut inner) = (self.world.now(), self.world.lock());
                inner.admit(fence, now)?;
                inner.answer(rollout, gate, answer)
            };
            self.proceed();
            Ok(answered)
        };
        intercept(&*self.interceptor, "rollout", "answer", true, answer).await
    }

    async fn abort(&self, fence: &Fence, rollout: &RolloutId) -> Result<()> {
        let abort = || async {
            self.proceed();
            {
                let (now, mut inner) = (self.world.now(), self.world.lock());
                inner.admit(fence, now)?;
                let newest = inner.rollouts.len().saturating_sub(1);
                let open = inner.rollouts.last().filter(|last| last.id == *rollout && last.end.is_none());
                if open.is_some() {
                    inner.take_back(newest, "stopped on request".to_owned());
                }
            }
            self.proceed();
            Ok(())
        };
        intercept(&*self.interceptor, "rollout", "abort", true, abort).await
    }

    async fn preview(&self) -> Result<Option<SocketAddr>> {
        intercept(&*self.interceptor, "rollout", "preview", false, || async { Ok(Some(PREVIEW)) }).await
    }

    async fn withdraw(&self, fence: &Fence) -> Result<bool> {
        let withdraw = || async {
            let now = self.world.now();
            let (doomed, gone) = {
                let mut inner = self.world.lock();
                inner.settle(now);
                inner.admit(fence, now)?;
                inner.rollouts.clear();
                inner.desired = 0;
                inner.router.split = Split::default();
                (inner.stop(now, |_| true), inner.tasks.is_empty())
            };
            if !doomed.is_empty() {
                self.world.tell(&Change::Closed, fence);
                self.world.tell(&Change::Doomed(doomed), fence);
            }
            Ok(gone)
        };
        intercept(&*self.interceptor, "rollout", "withdraw", true, withdraw).await
    }
}

impl Inner {
    /// Refuses an owner that was taken over, and a call that comes after the owner's lease.
    fn admit(&mut self, fence: &Fence, now: Timestamp) -> Result<()> {
        if now > fence.not_after {
            return Err(Error::new(ErrorKind::Fenced, "the call came after the lease of its owner"));
        }
        self.fence_sets(fence)
    }

    fn start(&mut self, fence: &Fence, from: Option<&RolloutId>, spec: &RolloutSpec) -> Result<Started> {
        // Its revisions have the names of their releases.
        let release: ReleaseId = spec.revision.0.parse()?;
        let known = self.rollouts.iter().rev().find(|known| known.release == release);
        let images = match (&spec.release, known) {
            (Some(release), _) if self.registered.contains(&release.id) => release.digests(),
            (None, Some(known)) => known.images.clone(),
            _ => return Err(Error::new(ErrorKind::NotFound, format!("{release:#} is not registered"))),
        };
        let newest = self.rollouts.last();
        let leads = newest.is_some_and(|newest| {
            let failed =
                matches!(newest.end, Some(RolloutState::RolledBack { .. } | RolloutState::Failed { .. }));
            let renewed = !spec.fresh || from != Some(&newest.id);
            newest.release == release && !failed && renewed
        });
        let newest = newest.map(|newest| newest.id.clone());
        match (newest, leads) {
            (Some(newest), true) => {
                self.desired = spec.tasks.unwrap_or(self.desired);
                return Ok(Started::Rollout(newest));
            }
            (newest, _) if newest.as_ref() != from => {
                let by =
                    newest.map_or_else(|| "the service is gone".to_owned(), |id| format!("rollout {id}"));
                return Ok(Started::Superseded(by));
            }
            _ => {}
        }
        if let Some(newest) = self.rollouts.last().filter(|it| it.end.is_none() && it.native.is_some()) {
            let message = format!("start a rollout: {} is under way", newest.id);
            return Err(Error::new(ErrorKind::Conflict, message).with_hint("have it taken back first"));
        }
        self.started += 1;
        let id = RolloutId(format!("rollout-{}", self.started));
        if let Some(before) = self.rollouts.last_mut() {
            before.end.get_or_insert_with(|| RolloutState::Superseded { by: id.to_string() });
        }
        self.desired = spec.tasks.unwrap_or(self.desired);
        self.rollouts.push(MemoryRollout {
            number: self.started,
            id: id.clone(),
            release,
            images,
            fence: *fence,
            failed: 0,
            native: Native::of(spec),
            end: None,
        });
        Ok(Started::Rollout(id))
    }

    fn state(&self, index: usize, now: Timestamp) -> RolloutState {
        let rollout = &self.rollouts[index];
        let newest = index + 1 == self.rollouts.len();
        let well = self.well(index, now).len();
        match &rollout.end {
            Some(RolloutState::Succeeded) if newest && well == self.desired as usize => {
                RolloutState::Succeeded
            }
            Some(RolloutState::Succeeded) if !newest => {
                RolloutState::Superseded { by: self.rollouts[index + 1].id.to_string() }
            }
            None if rollout.native.as_ref().is_some_and(|native| native.gate().is_some()) => {
                let gate = rollout.native.as_ref().and_then(Native::gate);
                gate.map_or_else(
                    || RolloutState::Running(RolloutProgress::default()),
                    |(gate, stage)| RolloutState::Waiting { gate, stage: Some(stage) },
                )
            }
            Some(RolloutState::Succeeded) | None => RolloutState::Running(RolloutProgress {
                desired: self.desired,
                running: u32::try_from(well).unwrap_or(u32::MAX),
                pending: 0,
                failed: rollout.failed,
                production: None,
                note: None,
            }),
            Some(ended) => ended.clone(),
        }
    }

    /// Tasks of a rollout that run and are not on their way out.
    fn live(&self, index: usize, now: Timestamp) -> Vec<&MemoryTask> {
        let number = self.rollouts[index].number;
        let of = |task: &&MemoryTask| task.batch == number && task.stopping.is_none();
        self.tasks.values().filter(of).filter(|task| self.phase(task, now) == TaskPhase::Running).collect()
    }

    /// Those of them that answer well.
    fn well(&self, index: usize, now: Timestamp) -> Vec<&MemoryTask> {
        self.live(index, now).into_iter().filter(|task| self.answers(task, now)).collect()
    }

    /// One thing that the platform does by itself, if one is due.
    fn proceed(&mut self, now: Timestamp) -> Vec<Change> {
        let index = self.rollouts.len() - 1;
        let under_way = self.rollouts[index].end.is_none();
        if under_way {
            let failures = self.failures(index, now);
            if failures > self.rollouts[index].failed {
                self.rollouts[index].failed = failures;
            }
            if self.rollouts[index].failed >= failure_threshold(self.desired) {
                return self.break_off(index, now);
            }
        }
        let silent: Vec<TaskId> = self
            .live(index, now)
            .into_iter()
            .filter(|task| !self.answers(task, now) && now >= after(task.started, GRACE))
            .map(|task| task.id.clone())
            .collect();
        if !silent.is_empty() {
            return vec![Change::Doomed(self.stop(now, |task| silent.contains(&task.id)))];
        }
        let missing = (self.desired as usize).saturating_sub(self.live(index, now).len());
        if missing > 0 {
            return vec![Change::Placed((0..missing).map(|_| self.place_one(index, now)).collect())];
        }
        let well: Vec<TaskId> = self
            .well(index, now)
            .into_iter()
            .take(self.desired as usize)
            .map(|task| task.id.clone())
            .collect();
        if under_way && well.len() < self.desired as usize {
            return Vec::new();
        }
        if under_way && let Some(native) = &mut self.rollouts[index].native {
            match native.due(now) {
                Due::Wait => return Vec::new(),
                Due::Shift(part) => return self.shift(index, &well, part),
                Due::TimedOut(stage) => {
                    self.take_back(index, format!("nobody answered the gate {stage} in time"));
                    return self.proceed(now);
                }
                Due::Over => {}
            }
        }
        self.rollouts[index].end = Some(RolloutState::Succeeded);
        self.serve(index, &well, now)
    }

    /// Requests go to these tasks and to no others, and the others end.
    fn serve(&mut self, index: usize, tasks: &[TaskId], now: Timestamp) -> Vec<Change> {
        let route = self.route(index, tasks);
        let to = Split { routes: (!tasks.is_empty()).then_some(route).into_iter().collect() };
        if self.router.split != to {
            return vec![self.switch(to)];
        }
        let live: Vec<TaskId> = self.live(index, now).iter().map(|task| task.id.clone()).collect();
        let surplus: Vec<TaskId> = live.into_iter().skip(self.desired as usize).collect();
        let number = self.rollouts[index].number;
        let doomed = self.stop(now, |task| task.batch != number || surplus.contains(&task.id));
        if doomed.is_empty() { Vec::new() } else { vec![Change::Doomed(doomed)] }
    }

    /// So much of the requests goes to these tasks, and the rest where all went before.
    fn shift(&mut self, index: usize, tasks: &[TaskId], part: Percent) -> Vec<Change> {
        let mut route = self.route(index, tasks);
        let mut routes = Vec::new();
        if part != Percent::ALL {
            let all = u32::from(Percent::ALL.tenths());
            route.role = Role::Serving(u32::from(part.tenths()));
            let others = self.router.split.routes.iter().filter(|other| other.release != route.release);
            let rest = Role::Serving(all - u32::from(part.tenths()));
            routes.extend(others.map(|other| Route { role: rest, ..other.clone() }));
        }
        routes.push(route);
        let to = Split { routes };
        vec![self.switch(to)]
    }

    fn switch(&mut self, to: Split) -> Change {
        self.router.version += 1;
        Change::Shifted { from: std::mem::replace(&mut self.router.split, to.clone()), to }
    }

    /// All requests of a rollout's release to these tasks.
    fn route(&self, index: usize, tasks: &[TaskId]) -> Route {
        let upstream =
            |id: &TaskId| self.tasks.get(id).map(|task| Upstream { task: id.clone(), address: task.address });
        Route {
            release: self.rollouts[index].release.clone(),
            role: Role::Serving(u32::try_from(tasks.len()).unwrap_or(u32::MAX)),
            protocol: crate::workload::Protocol::default(),
            upstreams: tasks.iter().filter_map(upstream).collect(),
        }
    }

    fn answer(&mut self, rollout: &RolloutId, gate: &GateId, answer: Answer) -> Answered {
        let newest = self.rollouts.len().saturating_sub(1);
        let last = self.rollouts.last_mut().filter(|last| last.id == *rollout && last.end.is_none());
        let Some(native) = last.and_then(|last| last.native.as_mut()) else { return Answered::Gone };
        match answer {
            Answer::Continue if native.let_through(gate) => Answered::Taken,
            Answer::RollBack if native.gate().is_some_and(|(waits, _)| waits == *gate) => {
                self.take_back(newest, "refused at a gate".to_owned());
                Answered::Taken
            }
            _ => Answered::Gone,
        }
    }

    /// The newest rollout's task that would answer on the test listener.
    pub(super) fn newest_task(&self, now: Timestamp) -> Option<&MemoryTask> {
        let number = self.rollouts.last()?.number;
        let of = |task: &&MemoryTask| task.batch == number && task.stopping.is_none();
        self.tasks.values().filter(of).find(|task| self.phase(task, now) == TaskPhase::Running)
    }

    /// The circuit breaker: back to what was rolled out well before. Without any, the rollout stalls, as on ECS.
    fn break_off(&mut self, index: usize, now: Timestamp) -> Vec<Change> {
        let failed = self.rollouts[index].failed;
        if !self.take_back(index, format!("circuit breaker: {failed} tasks failed")) {
            return Vec::new();
        }
        self.proceed(now)
    }

    /// What was rolled out well before is the newest again, with the tasks that it has; whether there is any.
    fn take_back(&mut self, index: usize, reason: String) -> bool {
        let good = |rollout: &MemoryRollout| rollout.end == Some(RolloutState::Succeeded);
        let Some(before) = self.rollouts.iter().rposition(good) else { return false };
        self.rollouts[index].end = Some(RolloutState::RolledBack { reason });
        self.started += 1;
        let back = MemoryRollout {
            number: self.started,
            id: RolloutId(format!("rollout-{}", self.started)),
            failed: 0,
            fence: self.rollouts[index].fence,
            ..self.rollouts[before].clone()
        };
        self.rollouts.push(back);
        let (adopted, number_before) = (self.started, self.rollouts[before].number);
        for task in self.tasks.values_mut().filter(|task| task.batch == number_before) {
            task.batch = adopted;
        }
        true
    }

    /// How many tasks of a rollout have ended by themselves or never answered in time.
    fn failures(&self, index: usize, now: Timestamp) -> u32 {
        let number = self.rollouts[index].number;
        let of = |task: &&MemoryTask| task.batch == number;
        let ended =
            self.tasks.values().filter(of).filter(|task| self.crash(task).is_some_and(|end| end <= now));
        let silent = self.tasks.values().filter(of).filter(|task| task.stopping.is_some());
        let removed = self.failed.iter().map(|(_, task)| task).filter(of);
        u32::try_from(ended.count() + silent.count() + removed.count()).unwrap_or(u32::MAX)
    }

    fn stop(&mut self, now: Timestamp, which: impl Fn(&MemoryTask) -> bool) -> Vec<TaskId> {
        let mut stopped = Vec::new();
        for task in self.tasks.values_mut().filter(|task| task.stopping.is_none() && which(task)) {
            task.stopping = Some(now);
            stopped.push(task.id.clone());
        }
        stopped
    }

    fn place_one(&mut self, index: usize, now: Timestamp) -> TaskId {
        self.placed += 1;
        let id = TaskId(format!("t{:04}", self.placed));
        let port = 10_000 + u16::try_from(self.placed).unwrap_or(u16::MAX - 10_000);
        let rollout = &self.rollouts[index];
        let task = MemoryTask {
            id: id.clone(),
            release: rollout.release.clone(),
            ordinal: 0,
            epoch: rollout.fence.epoch,
            started: now,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            images: rollout.images.clone(),
            standing: Standing::Promoted,
            stopping: None,
            killed: None,
            batch: rollout.number,
        };
        self.tasks.insert(id.clone(), task);
        id
    }
}
