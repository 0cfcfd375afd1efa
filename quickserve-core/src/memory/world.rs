//! What exists and serves, as it truly is.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::managed::{MemoryManaged, MemoryRollout};
use super::platform::MemoryPlatform;
use super::prober::MemoryProber;
use super::router::MemoryRouter;
use crate::clock::{Clock, after};
use crate::fault::Interceptor;
use crate::fence::{Epoch, Fence};
use crate::orchestrator::{Health, SetState, Standing, TaskId, TaskPhase, TaskState};
use crate::release::{Digest, ReleaseId};
use crate::traffic::{Role, Split};

/// Where a world's public requests come in.
pub const PUBLIC: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80));

/// Where the newest rollout's tasks answer before they get ordinary requests.
pub const PREVIEW: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 81));

/// How the tasks of a release behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// They answer well, so long after their start.
    Healthy {
        /// From the start to the first good answer.
        after: Duration,
    },
    /// They run and never answer well.
    NeverHealthy,
    /// They answer well and then end by themselves, with exit code 1.
    Crashes {
        /// From the start to the end.
        after: Duration,
    },
    /// They pass their health check and answer everything else with 500.
    Broken,
}

/// A world: shared by every process that acts in it.
#[derive(Debug, Clone)]
pub struct World {
    inner: Arc<Mutex<Inner>>,
    clock: Arc<dyn Clock>,
}

/// What changed in a world.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Tasks were started.
    Placed(Vec<TaskId>),
    /// Tasks were asked to end for ever.
    Doomed(Vec<TaskId>),
    /// The split was replaced.
    Shifted {
        /// What it was.
        from: Split,
        /// What it is.
        to: Split,
    },
    /// The service's port was closed.
    Closed,
}

/// Watches every change of a world at the moment that it happens.
pub trait Monitor: Debug + Send + Sync + 'static {
    /// A change has just happened.
    fn changed(&self, change: &Change, fence: &Fence, truth: &Truth);
}

/// What is truly so in a world, whatever anybody was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The time.
    pub now: Timestamp,
    /// The tasks of each release, with their true health.
    pub sets: BTreeMap<ReleaseId, SetState>,
    /// Where requests go.
    pub split: Split,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) tasks: BTreeMap<TaskId, MemoryTask>,
    pub(super) placed: u64,
    pub(super) registered: Vec<ReleaseId>,
    pub(super) sets_epoch: Epoch,
    pub(super) router: RouterState,
    behaviours: BTreeMap<ReleaseId, Behaviour>,
    others: Behaviour,
    monitor: Option<Arc<dyn Monitor>>,
    /// Rollouts of the platform that rolls out by itself, newest last.
    pub(super) rollouts: Vec<MemoryRollout>,
    /// How many rollouts there ever were.
    pub(super) started: u64,
    /// How many tasks that platform keeps.
    pub(super) desired: u32,
    /// Tasks that were removed after they had failed, newest last.
    pub(super) failed: Vec<(ReleaseId, MemoryTask)>,
}

#[derive(Debug, Default)]
pub(super) struct RouterState {
    pub(super) split: Split,
    pub(super) version: u64,
    pub(super) epoch: Epoch,
    /// How often another way to be reached was asked for, and the last one that came about.
    pub(super) asked: u64,
    pub(super) listens: u64,
    /// Why no client reaches it.
    pub(super) closed: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct MemoryTask {
    pub(super) id: TaskId,
    pub(super) release: ReleaseId,
    pub(super) ordinal: u32,
    pub(super) epoch: Epoch,
    pub(super) started: Timestamp,
    pub(super) address: SocketAddr,
    pub(super) images: BTreeMap<String, Digest>,
    pub(super) standing: Standing,
    /// Since when it is on its way out.
    pub(super) stopping: Option<Timestamp>,
    /// When it was killed from outside.
    pub(super) killed: Option<Timestamp>,
    /// The number of the rollout that placed it, from 1; 0 where nobody rolls out.
    pub(super) batch: u64,
}

/// How long a stopping task takes to end.
const STOPS_IN: Duration = Duration::from_millis(10);

impl World {
    /// An empty world in which every release is healthy 20 ms after its start.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            tasks: BTreeMap::new(),
            placed: 0,
            registered: Vec::new(),
            sets_epoch: Epoch::default(),
            router: RouterState::default(),
            behaviours: BTreeMap::new(),
            others: Behaviour::Healthy { after: Duration::from_millis(20) },
            monitor: None,
            failed: Vec::new(),
            rollouts: Vec::new(),
            started: 0,
            desired: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)), clock }
    }

    /// How the tasks of a release behave from now on.
    pub fn set_behaviour(&self, release: &ReleaseId, behaviour: Behaviour) {
        self.lock().behaviours.insert(release.clone(), behaviour);
    }

    /// How the tasks of every release behave that has no behaviour of its own.
    pub fn set_behaviour_of_others(&self, behaviour: Behaviour) {
        self.lock().others = behaviour;
    }

    /// The service is asked to be reached otherwise from now on: the next split that is set brings it about.
    pub fn ask_otherwise(&self) {
        self.lock().router.asked += 1;
    }

    /// No client reaches the service from now on, for this reason; none: they do again.
    pub fn set_closed(&self, why: Option<&str>) {
        self.lock().router.closed = why.map(str::to_owned);
    }

    /// Whether the service is reached as it was asked for last.
    pub fn is_as_asked(&self) -> bool {
        let inner = self.lock();
        inner.router.listens == inner.router.asked
    }

    /// Watches every change from now on.
    pub fn set_monitor(&self, monitor: Arc<dyn Monitor>) {
        self.lock().monitor = Some(monitor);
    }

    /// One process' way to this world's platform.
    pub fn platform(&self, interceptor: Arc<dyn Interceptor>) -> MemoryPlatform {
        MemoryPlatform::new(self.clone(), interceptor)
    }

    /// One process' way to this world's platform, as one that rolls out by itself.
    pub fn managed(&self, interceptor: Arc<dyn Interceptor>) -> MemoryManaged {
        MemoryManaged::new(self.clone(), interceptor)
    }

    /// One process' way to this world's router.
    pub fn router(&self, interceptor: Arc<dyn Interceptor>) -> MemoryRouter {
        MemoryRouter::new(self.clone(), interceptor)
    }

    /// One process' way to ask this world's tasks, and [`PUBLIC`], whether they are well.
    pub fn prober(&self, interceptor: Arc<dyn Interceptor>) -> MemoryProber {
        MemoryProber::new(self.clone(), interceptor)
    }

    /// Ends a task as if it had crashed now.
    pub fn kill(&self, task: &TaskId) {
        let now = self.clock.now();
        if let Some(task) = self.lock().tasks.get_mut(task) {
            task.killed.get_or_insert(now);
        }
    }

    /// What is truly so.
    pub fn truth(&self) -> Truth {
        let now = self.clock.now();
        let inner = self.lock();
        inner.truth(now)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the monitor; it runs after the lock is given back.
    pub(super) fn tell(&self, change: &Change, fence: &Fence) {
        let (monitor, truth) = {
            let inner = self.lock();
            (inner.monitor.clone(), inner.truth(self.now()))
        };
        if let Some(monitor) = monitor {
            monitor.changed(change, fence, &truth);
        }
    }
}

impl Inner {
    pub(super) fn behaviour(&self, release: &ReleaseId) -> Behaviour {
        self.behaviours.get(release).copied().unwrap_or(self.others)
    }

    /// Lets tasks that have had their time to stop be gone.
    pub(super) fn settle(&mut self, now: Timestamp) {
        let gone: Vec<TaskId> = self
            .tasks
            .values()
            .filter(|task| task.stopping.is_some_and(|since| now >= after(since, STOPS_IN)))
            .map(|task| task.id.clone())
            .collect();
        for id in gone {
            if let Some(task) = self.tasks.remove(&id) {
                self.failed.push((task.release.clone(), task));
            }
        }
    }

    pub(super) fn phase(&self, task: &MemoryTask, now: Timestamp) -> TaskPhase {
        let ended = self.end(task).is_some_and(|end| now >= end);
        if ended { TaskPhase::Ended } else { TaskPhase::Running }
    }

    /// When a task ends by itself or was killed, whatever it is asked.
    fn end(&self, task: &MemoryTask) -> Option<Timestamp> {
        let crashes = match self.behaviour(&task.release) {
            Behaviour::Crashes { after: time } => Some(after(task.started, time)),
            _ => None,
        };
        crashes.into_iter().chain(task.killed).min()
    }

    /// When a task ends by itself, unless it was asked to end before.
    pub(super) fn crash(&self, task: &MemoryTask) -> Option<Timestamp> {
        let end = self.end(task)?;
        task.stopping.is_none_or(|asked| asked >= end).then_some(end)
    }

    /// Whether a task answers well.
    pub(super) fn answers(&self, task: &MemoryTask, now: Timestamp) -> bool {
        self.phase(task, now) == TaskPhase::Running
            && match self.behaviour(&task.release) {
                Behaviour::Healthy { after: time } => now >= after(task.started, time),
                Behaviour::NeverHealthy => false,
                Behaviour::Crashes { .. } | Behaviour::Broken => true,
            }
    }

    pub(super) fn set(&self, release: &ReleaseId, now: Timestamp, truthful: bool) -> SetState {
        let mut tasks: Vec<TaskState> = self
            .tasks
            .values()
            .filter(|task| task.release == *release)
            .map(|task| TaskState {
                id: task.id.clone(),
                ordinal: task.ordinal,
                epoch: task.epoch,
                phase: self.phase(task, now),
                health: match (truthful, self.answers(task, now)) {
                    (true, true) => Health::Healthy,
                    (true, false) => Health::Unhealthy("does not answer".to_owned()),
                    (false, _) => Health::Unknown,
                },
                address: Some(task.address),
                images: task.images.clone(),
                standing: task.standing,
                started: Some(task.started),
                restarts: 0,
                doomed: task.stopping.is_some(),
                killed: false,
            })
            .collect();
        tasks.sort_by(|a, b| (a.ordinal, &a.id).cmp(&(b.ordinal, &b.id)));
        SetState { tasks }
    }

    pub(super) fn sets(&self, now: Timestamp, truthful: bool) -> BTreeMap<ReleaseId, SetState> {
        let releases: std::collections::BTreeSet<&ReleaseId> =
            self.tasks.values().map(|task| &task.release).collect();
        releases.into_iter().map(|release| (release.clone(), self.set(release, now, truthful))).collect()
    }

    fn truth(&self, now: Timestamp) -> Truth {
        Truth { now, sets: self.sets(now, true), split: self.router.split.clone() }
    }
}

impl Truth {
    /// Whether a request would be answered well now: by a serving task, else by one that stands by.
    pub fn answers(&self) -> bool {
        let answering = |role: fn(Role) -> bool| {
            let routes = self.split.routes.iter().filter(move |route| role(route.role));
            routes
                .flat_map(|route| route.upstreams.iter().map(move |upstream| (&route.release, upstream)))
                .any(|(release, upstream)| {
                    self.sets.get(release).is_some_and(|set| {
                        set.tasks.iter().any(|task| {
                            task.id == upstream.task
                                && task.phase == TaskPhase::Running
                                && task.health == Health::Healthy
                        })
                    })
                })
        };
        answering(|role| matches!(role, Role::Serving(_))) || answering(|role| role == Role::Standby)
    }
}
