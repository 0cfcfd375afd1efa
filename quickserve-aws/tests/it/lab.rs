//! The engine with a service on the fake ECS, where time passes by waiting only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quickserve_aws::ecs::Ecs;
use quickserve_core::engine::{Control, Deployer, Parts, Request};
use quickserve_core::event::{Envelope, Finished, Observer};
use quickserve_core::fault::NoFaults;
use quickserve_core::journal::{self, Liveness, Owner, Process};
use quickserve_core::memory::{MemoryClock, World};
use quickserve_core::orchestrator::TaskFailure;
use quickserve_core::plan::{DeploymentConfig, Strategy};
use quickserve_core::release::Release;
use quickserve_core::service::ServiceKey;

use crate::fake::Fake;
use crate::register::ecs_at;

pub(crate) struct Lab {
    pub(crate) fake: Fake,
    pub(crate) clock: Arc<MemoryClock>,
    pub(crate) ecs: Ecs,
    pub(crate) bake_time: Duration,
    parts: Parts,
    events: Arc<Collected>,
}

/// The number of the process that dies.
const MORTAL: u32 = 1;

/// Every process lives but the one that dies.
#[derive(Debug)]
struct Obituary;

impl Liveness for Obituary {
    fn check(&self, process: &Process) -> Option<bool> {
        Some(process.pid != MORTAL)
    }

    fn restarted(&self, _: &Process) -> Option<jiff::Timestamp> {
        None
    }
}

/// Every event, as it came.
#[derive(Debug, Default)]
struct Collected(Mutex<Vec<Envelope>>);

impl Observer for Collected {
    fn observe(&self, event: Envelope) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl Lab {
    pub(crate) async fn open() -> Self {
        let fake = Fake::start().await;
        let clock = Arc::new(MemoryClock::default());
        {
            let mut state = fake.state();
            state.clock = Some(clock.clone());
            state.fates.alive = true;
            state.fates.takes = 3;
        }
        let ecs = ecs_at(&fake, clock.clone());
        let events: Arc<Collected> = Arc::default();
        let parts = Parts {
            key: ServiceKey::new("shop", "production").expect("a key"),
            platform: Arc::new(ecs.clone()),
            prober: Arc::new(World::new(clock.clone()).prober(Arc::new(NoFaults))),
            journals: journal::in_memory(),
            clock: clock.clone(),
            observer: events.clone(),
            liveness: Arc::new(Obituary),
            owner: Owner { nonce: "none".into(), who: "ada@laptop".into(), process: None },
            public: None,
            retainers: Vec::new(),
        };
        Self { fake, clock, ecs, bake_time: Duration::from_secs(1), parts, events }
    }

    /// The owner with this number, a process of its own.
    pub(crate) fn deployer(&self, number: u32) -> Deployer {
        let process = Process { boot: "lab".into(), pid: number, started: 0, machine: None };
        let owner = Owner { nonce: format!("p{number}"), who: "ada@laptop".into(), process: Some(process) };
        // Nothing but the journal and the platform is known to a new process.
        let platform = Arc::new(ecs_at(&self.fake, self.clock.clone()));
        Deployer::new(Parts { owner, platform, ..self.parts.clone() })
    }

    /// Deploys until the end, or until the process is dead.
    pub(crate) async fn deploy_mortally(&self, release: Release) -> Option<Finished> {
        let mut dead = self.fake.state().death.watch();
        let (deployer, request, control) = (self.deployer(MORTAL), self.request(release), Control::default());
        tokio::select! {
            biased;
            died = dead.wait_for(|dead| *dead) => {
                drop(died.expect("the fake outlives its callers"));
                None
            }
            finished = deployer.deploy(&request, &control) => Some(finished.expect("an end")),
        }
    }

    pub(crate) fn request(&self, release: Release) -> Request {
        let config = DeploymentConfig {
            strategy: Strategy::Rolling,
            traffic: false,
            bake_time: self.bake_time,
            ..DeploymentConfig::default()
        };
        Request { release, tasks: 2, config, retry: false, last_look: None }
    }

    pub(crate) async fn deploy(&self, release: Release) -> Finished {
        let deployer = self.deployer(MORTAL + 1);
        deployer.deploy(&self.request(release), &Control::default()).await.expect("an end")
    }

    /// The failures that were reported.
    pub(crate) fn failures(&self) -> Vec<TaskFailure> {
        let events = self.events.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = events.iter().filter_map(|event| match &event.progress {
            quickserve_core::event::Progress::TaskFailed { failure, .. } => Some(failure.clone()),
            _ => None,
        });
        failures.collect()
    }
}
