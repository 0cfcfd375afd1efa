//! Ends of deployments that the crash matrix does not look at.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::ObjectStore;

use super::{Control, Deployer, Parts, Request};
use crate::clock::{Clock, between};
use crate::event::Silent;
use crate::fault::{Call, Fault, FaultPlan, Faults, Interceptor, Verdict};
use crate::journal::faulty::FaultyStore;
use crate::journal::{AbortKind, Event, Journal, Liveness, Owner, Process};
use crate::memory::{Behaviour, MemoryClock, PUBLIC, World};
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, OnFailure, Purpose, Strategy};
use crate::release::{Digest, Image, Release, ReleaseId};
use crate::service::ServiceKey;
use crate::workload::{EndpointPort, HealthGate, Probe, Workload};

const HOUR: Duration = Duration::from_hours(1);

/// A world, a journal, and processes that come and go.
struct Stage {
    clock: Arc<MemoryClock>,
    world: World,
    store: Arc<dyn ObjectStore>,
    dead: Arc<Dead>,
    processes: Cell<u32>,
    config: DeploymentConfig,
    tasks: u32,
}

/// Which processes are dead.
#[derive(Debug, Default)]
struct Dead {
    pids: Mutex<BTreeSet<u32>>,
}

impl Liveness for Dead {
    fn check(&self, process: &Process) -> Option<bool> {
        Some(!self.pids.lock().unwrap_or_else(PoisonError::into_inner).contains(&process.pid))
    }
}

struct Actor {
    deployer: Deployer,
    control: Control,
    faults: Arc<Faults>,
    pid: u32,
}

impl Stage {
    fn new(strategy: Strategy, tasks: u32) -> Self {
        let clock = Arc::new(MemoryClock::default());
        Self {
            world: World::new(clock.clone()),
            clock,
            store: crate::journal::in_memory(),
            dead: Arc::default(),
            processes: Cell::default(),
            config: DeploymentConfig {
                strategy,
                bake_time: Duration::from_secs(1),
                ..DeploymentConfig::default()
            },
            tasks,
        }
    }

    fn actor(&self, plan: FaultPlan) -> Actor {
        let faults = Arc::new(Faults::new(plan, self.clock.clone()));
        let (deployer, pid) = self.deployer(faults.clone());
        Actor { deployer, control: Control::default(), faults, pid }
    }

    fn deployer(&self, interceptor: Arc<dyn Interceptor>) -> (Deployer, u32) {
        let pid = self.processes.get() + 1;
        self.processes.set(pid);
        let process = Process { boot: "stage".to_owned(), pid, started: 0 };
        let deployer = Deployer::new(Parts {
            key: ServiceKey::new("app", "stage").expect("a name"),
            platform: Arc::new(self.world.platform(interceptor.clone())),
            prober: Arc::new(self.world.prober(interceptor.clone())),
            journals: Arc::new(FaultyStore::new(self.store.clone(), interceptor)),
            clock: self.clock.clone(),
            observer: Arc::new(Silent),
            liveness: self.dead.clone(),
            owner: Owner { nonce: format!("p{pid}"), who: "tester".to_owned(), process: Some(process) },
            public: Some(PUBLIC),
        });
        (deployer, pid)
    }

    fn request(&self, release: Release) -> Request {
        Request { release, tasks: self.tasks, config: self.config.clone(), retry: false }
    }

    async fn deploy(&self, release: Release) -> Outcome {
        let actor = self.actor(FaultPlan::default());
        let done = actor.deployer.deploy(&self.request(release), &actor.control).await;
        done.expect("an end").outcome
    }

    async fn journal(&self) -> Journal {
        self.actor(FaultPlan::default()).deployer.journal().await.expect("a journal")
    }

    async fn resume(&self) -> Outcome {
        let actor = self.actor(FaultPlan::default());
        actor.deployer.resume(&actor.control).await.expect("an end").outcome
    }

    fn existing(&self) -> Vec<ReleaseId> {
        self.clock.advance(Duration::from_secs(1));
        let actor = self.actor(FaultPlan::default());
        drop(futures_util::FutureExt::now_or_never(actor.deployer.parts_platform().observe()));
        self.world.truth().sets.into_keys().collect()
    }

    /// Lets a process die at its nth call.
    async fn die<T>(&self, actor: Actor, number: u64, act: impl AsyncFn(&Actor) -> T) -> Option<T> {
        actor.faults.plan(FaultPlan::default().at(number, Fault::CrashAfter));
        let done = actor.faults.until_crash(act(&actor)).await;
        self.dead.pids.lock().unwrap_or_else(PoisonError::into_inner).insert(actor.pid);
        done
    }

    async fn events(&self) -> Vec<Event> {
        let records = self.journal().await.records(1).await.expect("records");
        records.into_iter().filter_map(|record| record.entry.event().cloned()).collect()
    }
}

fn release(number: u32) -> Release {
    let image = Image {
        reference: format!("app:{number}"),
        digest: Digest::of(&number.to_be_bytes()),
        manifest: None,
    };
    let mut workload = Workload::single("app");
    workload.endpoint = Some(EndpointPort { container: "app".to_owned(), port: 80 });
    workload.gate = HealthGate {
        grace: Duration::from_secs(1),
        ..HealthGate::new(Probe::Http { path: "/health".to_owned() })
    };
    let images = BTreeMap::from([("app".to_owned(), image)]);
    Release::new(number.to_string(), images, Vec::new(), workload, None).expect("a release")
}

fn worker(number: u32) -> Release {
    let Release { images, .. } = release(number);
    Release::new(number.to_string(), images, Vec::new(), Workload::single("app"), None).expect("a release")
}

/// Two releases promoted, the second serving.
async fn with_two(strategy: Strategy) -> Stage {
    let stage = Stage::new(strategy, 1);
    for number in 1..=2 {
        assert_eq!(stage.deploy(release(number)).await, Outcome::Done);
    }
    stage
}

#[tokio::test]
async fn a_rollback_finished_by_another_process_goes_forward_and_condemns_what_it_left() {
    for number in 1.. {
        let stage = with_two(Strategy::BlueGreen).await;
        let act = async |actor: &Actor| actor.deployer.roll_back(None, &actor.control).await.map(drop);
        let ended = stage.die(stage.actor(FaultPlan::default()), number, act).await.is_some();
        let begun = stage.journal().await.state().deployments.len() == 3;
        stage.clock.advance(HOUR);
        let resumed = stage.resume().await;
        let journal = stage.journal().await;
        let state = journal.state();
        if begun {
            assert_eq!(state.current(), Some(&release(1).id), "died at call {number}: {resumed:?}");
            assert!(state.condemned.contains_key(&release(2).id), "died at call {number}");
            assert_eq!(stage.existing(), [release(1).id], "died at call {number}");
        }
        if ended {
            break;
        }
    }
}

#[tokio::test]
async fn a_take_down_that_is_finished_late_is_not_turned_round() {
    for number in 1.. {
        let stage = with_two(Strategy::BlueGreen).await;
        let act = async |actor: &Actor| {
            actor.deployer.take_down(Duration::from_secs(1), &actor.control).await.map(drop)
        };
        let ended = stage.die(stage.actor(FaultPlan::default()), number, act).await.is_some();
        let begun = stage.journal().await.state().deployments.len() == 3;
        stage.clock.advance(HOUR);
        let resumed = stage.resume().await;
        if begun {
            assert!(stage.existing().is_empty(), "died at call {number}: {resumed:?}");
        }
        if ended {
            break;
        }
    }
}

#[tokio::test]
async fn a_promoted_release_is_not_proven_again_by_whoever_finishes() {
    for number in 1.. {
        let stage = with_two(Strategy::BlueGreen).await;
        let request = stage.request(release(3));
        let act = async |actor: &Actor| actor.deployer.deploy(&request, &actor.control).await.map(drop);
        let ended = stage.die(stage.actor(FaultPlan::default()), number, act).await.is_some();
        let promoted = stage.journal().await.state().open.as_ref().is_some_and(|open| open.promoted);
        if promoted {
            let before = stage.events().await.len();
            assert_eq!(stage.resume().await, Outcome::Done);
            for event in stage.events().await.split_off(before) {
                if let Event::Planned { plan, .. } = &event {
                    assert_eq!(plan.purpose, Purpose::Restore, "died at call {number}");
                }
                assert!(!matches!(event, Event::Promoted { .. }), "died at call {number}");
            }
        }
        if ended {
            break;
        }
    }
}

#[tokio::test]
async fn a_rollback_after_an_interrupted_but_promoted_deployment_rolls_it_back() {
    for number in 1.. {
        let stage = with_two(Strategy::BlueGreen).await;
        let request = stage.request(release(3));
        let act = async |actor: &Actor| actor.deployer.deploy(&request, &actor.control).await.map(drop);
        let ended = stage.die(stage.actor(FaultPlan::default()), number, act).await.is_some();
        let promoted = stage.journal().await.state().open.as_ref().is_some_and(|open| open.promoted);
        if promoted {
            let actor = stage.actor(FaultPlan::default());
            let finished = actor.deployer.roll_back(None, &actor.control).await.expect("an end");
            assert_eq!(finished.outcome, Outcome::Done);
            assert_eq!(stage.existing(), [release(2).id], "died at call {number}");
        }
        if ended {
            break;
        }
    }
}

#[tokio::test]
async fn an_interrupt_while_another_deployment_is_brought_to_its_end_is_no_success() {
    for number in 1.. {
        let stage = with_two(Strategy::BlueGreen).await;
        let request = stage.request(release(3));
        let act = async |actor: &Actor| actor.deployer.deploy(&request, &actor.control).await.map(drop);
        let ended = stage.die(stage.actor(FaultPlan::default()), number, act).await.is_some();
        if stage.journal().await.state().open.is_some() {
            let actor = stage.actor(FaultPlan::default());
            actor.control.abort(AbortKind::Interrupted);
            let request = stage.request(release(4));
            let finished = actor.deployer.deploy(&request, &actor.control).await.expect("an end");
            assert_eq!(finished.outcome, Outcome::Interrupted, "died at call {number}");
            assert_eq!(finished.exit_code, 130, "died at call {number}");
        }
        if ended {
            break;
        }
    }
}

#[tokio::test]
async fn tasks_that_ended_before_a_plan_was_made_do_not_trip_its_circuit_breaker() {
    let stage = Stage::new(Strategy::BlueGreen, 3);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    for task in &stage.world.truth().sets[&release(1).id].tasks {
        stage.world.kill(&task.id);
    }
    assert_eq!(stage.resume().await, Outcome::Done);
    assert_eq!(stage.world.truth().sets[&release(1).id].healthy().count(), 3);
}

#[tokio::test]
async fn a_task_that_ends_before_it_is_verified_is_not_waited_for() {
    for strategy in [Strategy::Rolling, Strategy::BlueGreen] {
        for time in 1..80 {
            let mut stage = Stage::new(strategy, 1);
            stage.config.bake_time = Duration::ZERO;
            assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
            let crashes = Behaviour::Crashes { after: Duration::from_millis(time) };
            stage.world.set_behaviour(&release(2).id, crashes);
            let began = stage.clock.now();
            let outcome = stage.deploy(release(2)).await;
            let took = between(began, stage.clock.now());
            assert!(took < Duration::from_mins(2), "{strategy}, {time} ms: {outcome:?} after {took:?}");
        }
    }
}

/// A router that never takes an owner.
#[derive(Debug, Default)]
struct NoOwner {
    asked: std::sync::atomic::AtomicU64,
}

#[async_trait::async_trait]
impl Interceptor for NoOwner {
    fn number(&self) -> u64 {
        0
    }

    async fn before(&self, call: &Call) -> Verdict {
        if (call.target, call.operation) != ("router", "raise") {
            return Verdict::Proceed;
        }
        let asked = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(asked < 100_000, "it is asked for ever");
        Verdict::Fail
    }

    async fn after(&self, _: &Call) -> Verdict {
        Verdict::Proceed
    }
}

#[tokio::test]
async fn a_router_that_takes_no_owner_is_waited_for_to_a_deadline_and_no_longer_than_wanted() {
    for interrupted in [false, true] {
        let stage = Stage::new(Strategy::BlueGreen, 1);
        let (deployer, _) = stage.deployer(Arc::new(NoOwner::default()));
        let control = Control::default();
        if interrupted {
            control.abort(AbortKind::Interrupted);
        }
        let began = stage.clock.now();
        let finished = deployer.deploy(&stage.request(release(1)), &control).await.expect("an end");
        let took = between(began, stage.clock.now());
        if interrupted {
            assert_eq!(finished.outcome, Outcome::Interrupted);
            assert!(took < Duration::from_mins(1), "{took:?}");
        } else {
            assert_eq!(finished.outcome, Outcome::RolledBack);
        }
    }
}

#[tokio::test]
async fn a_service_may_become_a_worker_and_a_worker_a_service() {
    for strategy in [Strategy::Recreate, Strategy::Rolling, Strategy::BlueGreen] {
        let stage = Stage::new(strategy, 1);
        for release in [release(1), worker(2), release(3)] {
            let id = release.id.clone();
            assert_eq!(stage.deploy(release).await, Outcome::Done, "{strategy}");
            assert_eq!(stage.existing(), [id], "{strategy}");
        }
    }
}

#[tokio::test]
async fn a_rollback_after_a_frozen_failure_goes_to_the_last_good_release() {
    let mut stage = with_two(Strategy::BlueGreen).await;
    stage.config.on_failure = OnFailure::Freeze;
    stage.world.set_behaviour(&release(3).id, Behaviour::Crashes { after: Duration::from_millis(700) });
    assert_eq!(stage.deploy(release(3)).await, Outcome::Frozen);
    let actor = stage.actor(FaultPlan::default());
    let finished = actor.deployer.roll_back(None, &actor.control).await.expect("an end");
    assert_eq!(finished.outcome, Outcome::Done);
    assert_eq!(stage.existing(), [release(2).id]);
    assert!(!stage.journal().await.state().condemned.contains_key(&release(2).id));
}

#[tokio::test]
async fn a_release_that_serves_badly_is_not_called_unchanged() {
    let stage = with_two(Strategy::BlueGreen).await;
    stage.world.set_behaviour(&release(2).id, Behaviour::NeverHealthy);
    assert_ne!(stage.deploy(release(2)).await, Outcome::Unchanged);
    assert_ne!(stage.resume().await, Outcome::Unchanged);
}

#[tokio::test]
async fn an_old_release_that_ends_slowly_does_not_condemn_the_new_one() {
    let stage = Stage::new(Strategy::Recreate, 1);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    let slow = FaultPlan::default().on("sets", "doom", 1, Fault::Delay(Duration::from_mins(20)));
    let actor = stage.actor(slow);
    let done = actor.deployer.deploy(&stage.request(release(2)), &actor.control).await;
    assert_eq!(done.expect("an end").outcome, Outcome::RolledBack);
    assert!(!stage.journal().await.state().condemned.contains_key(&release(2).id));
}
