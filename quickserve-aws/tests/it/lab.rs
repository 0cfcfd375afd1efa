//! The engine with a service on the fake ECS, where time passes by waiting only.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use quickserve_aws::ecs::Ecs;
use quickserve_core::Result;
use quickserve_core::engine::{Control, Deployer, Parts, Request};
use quickserve_core::event::{Envelope, Finished, Observer};
use quickserve_core::health::{HealthProber, ProbeReport, ProbeRequest};
use quickserve_core::journal::{self, Liveness, Owner, Process};
use quickserve_core::memory::MemoryClock;
use quickserve_core::orchestrator::TaskFailure;
use quickserve_core::plan::{DeploymentConfig, Gradual, SmokeCheck, SmokeExpectation, Strategy};
use quickserve_core::release::Release;
use quickserve_core::service::ServiceKey;

use crate::fake::Fake;
use crate::register::{ecs_at, ecs_shifting};

pub(crate) struct Lab {
    pub(crate) fake: Fake,
    pub(crate) clock: Arc<MemoryClock>,
    pub(crate) ecs: Ecs,
    pub(crate) bake_time: Duration,
    /// What the release answers that is asked.
    pub(crate) answers: Arc<AtomicU16>,
    strategy: Strategy,
    parts: Parts,
    events: Arc<Collected>,
}

const MINUTE: Duration = Duration::from_mins(1);
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

/// What answers is the release, with one status.
#[derive(Debug)]
struct Asked(Arc<AtomicU16>);

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the release")
    }
}

#[async_trait]
impl HealthProber for Asked {
    async fn probe(&self, _: &ProbeRequest) -> Result<ProbeReport> {
        Ok(ProbeReport::Answered { status: self.0.load(Ordering::SeqCst), body: String::new() })
    }
}

impl Lab {
    pub(crate) async fn open() -> Self {
        Self::with(Strategy::Rolling).await
    }

    /// With a service that is deployed in this way.
    pub(crate) async fn with(strategy: Strategy) -> Self {
        let fake = Fake::start().await;
        let clock = Arc::new(MemoryClock::default());
        {
            let mut state = fake.state();
            state.clock = Some(clock.clone());
            state.fates.alive = true;
            state.fates.takes = 3;
        }
        let ecs = platform(&fake, clock.clone(), strategy);
        let answers = Arc::new(AtomicU16::new(200));
        let events: Arc<Collected> = Arc::default();
        let parts = Parts {
            key: ServiceKey::new("shop", "production").expect("a key"),
            platform: Arc::new(ecs.clone()),
            prober: Arc::new(Asked(Arc::clone(&answers))),
            journals: journal::in_memory(),
            clock: clock.clone(),
            observer: events.clone(),
            liveness: Arc::new(Obituary),
            owner: Owner { nonce: "none".into(), who: "ada@laptop".into(), process: None },
            public: None,
            retainers: Vec::new(),
        };
        Self { fake, clock, ecs, bake_time: Duration::from_secs(1), answers, strategy, parts, events }
    }

    /// The owner with this number, a process of its own.
    pub(crate) fn deployer(&self, number: u32) -> Deployer {
        let process = Process { boot: "lab".into(), pid: number, started: 0, machine: None };
        let owner = Owner { nonce: format!("p{number}"), who: "ada@laptop".into(), process: Some(process) };
        // Nothing but the journal and the platform is known to a new process.
        let platform = Arc::new(platform(&self.fake, self.clock.clone(), self.strategy));
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
        let shifts = self.strategy != Strategy::Rolling;
        let expect = SmokeExpectation { status: 200, json: BTreeMap::new() };
        let smoke = SmokeCheck { path: "/health".into(), timeout: Duration::from_secs(1), expect };
        let config = DeploymentConfig {
            strategy: self.strategy,
            traffic: shifts,
            smoke: shifts.then_some(smoke).into_iter().collect(),
            bake_time: self.bake_time,
            gradual: Gradual { canary_bake_time: MINUTE, step_bake_time: MINUTE, ..Gradual::default() },
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

fn platform(fake: &Fake, clock: Arc<MemoryClock>, strategy: Strategy) -> Ecs {
    match strategy {
        Strategy::Rolling => ecs_at(fake, clock),
        _ => ecs_shifting(fake, clock),
    }
}
