//! Ends of deployments that the crash matrix does not look at.

mod asked;
mod elsewhere;
mod following;
mod housekeeping;
mod left;
mod managed;
mod removal;
mod steering;
mod too_late;
mod waiting;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::ObjectStore;

use super::{Control, Deployer, Parts, Request};
use crate::clock::{Clock, between};
use crate::event::{Observer, Silent};
use crate::fault::{Call, Fault, FaultPlan, Faults, Interceptor, Verdict};
use crate::fence::Fence;
use crate::finding::{Code, Finding};
use crate::journal::faulty::FaultyStore;
use crate::journal::{AbortKind, Event, Journal, Liveness, Owner, Process};
use crate::memory::{Behaviour, Change, MemoryClock, MemoryRegistry, Monitor, PUBLIC, Truth, World};
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, OnFailure, Purpose, Strategy};
use crate::preflight::{LastLook, Report};
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
    registry: Arc<MemoryRegistry>,
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

    fn restarted(&self, _: &Process) -> Option<jiff::Timestamp> {
        None
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
            registry: Arc::default(),
        }
    }

    fn actor(&self, plan: FaultPlan) -> Actor {
        let faults = Arc::new(Faults::new(plan, self.clock.clone()));
        let (deployer, pid) = self.deployer(faults.clone());
        Actor { deployer, control: Control::default(), faults, pid }
    }

    fn deployer(&self, interceptor: Arc<dyn Interceptor>) -> (Deployer, u32) {
        self.deployer_heard(interceptor, Arc::new(Silent))
    }

    fn deployer_heard(
        &self,
        interceptor: Arc<dyn Interceptor>,
        observer: Arc<dyn Observer>,
    ) -> (Deployer, u32) {
        let (parts, pid) = self.parts(interceptor, observer);
        (Deployer::new(parts), pid)
    }

    fn parts(&self, interceptor: Arc<dyn Interceptor>, observer: Arc<dyn Observer>) -> (Parts, u32) {
        let pid = self.processes.get() + 1;
        self.processes.set(pid);
        let process = Process { boot: "stage".to_owned(), pid, started: 0, machine: None };
        let parts = Parts {
            key: ServiceKey::new("app", "stage").expect("a name"),
            platform: Arc::new(self.world.platform(interceptor.clone())),
            prober: Arc::new(self.world.prober(interceptor.clone())),
            journals: Arc::new(FaultyStore::new(self.store.clone(), interceptor)),
            clock: self.clock.clone(),
            observer,
            liveness: self.dead.clone(),
            owner: Owner { nonce: format!("p{pid}"), who: "tester".to_owned(), process: Some(process) },
            public: Some(PUBLIC),
            retainers: vec![self.registry.clone()],
        };
        (parts, pid)
    }

    fn request(&self, release: Release) -> Request {
        Request { release, tasks: self.tasks, config: self.config.clone(), retry: false, last_look: None }
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
async fn a_restart_leaves_only_fresh_tasks_of_the_same_release() {
    for strategy in [Strategy::Recreate, Strategy::Rolling, Strategy::BlueGreen] {
        let stage = Stage::new(strategy, 3);
        assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
        let before = stage.world.truth();
        let actor = stage.actor(FaultPlan::default());
        let done = actor.deployer.restart(&actor.control).await.expect("an end");
        assert_eq!((done.outcome, done.serving.len()), (Outcome::Done, 1));
        let after = stage.world.truth();
        let old = &before.sets[&release(1).id].tasks;
        let new = &after.sets[&release(1).id].tasks;
        assert_eq!(new.len(), 3, "{strategy}");
        assert!(new.iter().all(|task| old.iter().all(|old| old.id != task.id)), "{strategy}");
        assert!(new.iter().all(|task| after.split.references(&task.id)), "{strategy}");
    }
}

#[tokio::test]
async fn a_scaled_count_holds_until_the_configuration_asks_for_another() {
    let mut stage = Stage::new(Strategy::BlueGreen, 2);
    stage.config.tasks = Some(2);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    let scale = async |stage: &Stage, tasks| {
        let actor = stage.actor(FaultPlan::default());
        actor.deployer.scale(tasks, &actor.control).await.expect("an end").outcome
    };
    assert_eq!(scale(&stage, 5).await, Outcome::Done);
    assert_eq!(scale(&stage, 5).await, Outcome::Unchanged);
    let tasks_for = async |configured| stage.journal().await.state().tasks_for(configured);
    assert_eq!((tasks_for(2).await, tasks_for(3).await), (5, 3));
    assert_eq!(scale(&stage, 0).await, Outcome::Done);
    assert!(stage.world.truth().split.routes.is_empty(), "requests go nowhere");
    assert_eq!(tasks_for(2).await, 2, "a release without tasks would prove nothing");
    assert_eq!(stage.resume().await, Outcome::Unchanged, "nothing is to be healed");
    assert_eq!(scale(&stage, 1).await, Outcome::Done);
}

#[tokio::test]
async fn more_tasks_than_the_platform_has_are_refused_before_anything_is_opened() {
    let stage = Stage::new(Strategy::BlueGreen, 1);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    let before = stage.journal().await.state().clone();
    let actor = stage.actor(FaultPlan::default());
    let refused = actor.deployer.scale(11, &actor.control).await.expect_err("a refusal");
    assert_eq!(refused.kind(), crate::ErrorKind::Unsupported);
    assert_eq!(*stage.journal().await.state(), before);
}

#[tokio::test]
async fn nothing_promoted_is_neither_scaled_nor_restarted() {
    let stage = Stage::new(Strategy::BlueGreen, 1);
    let actor = stage.actor(FaultPlan::default());
    let scaled = actor.deployer.scale(2, &actor.control).await.expect_err("a refusal");
    let restarted = actor.deployer.restart(&actor.control).await.expect_err("a refusal");
    assert_eq!([scaled.kind(), restarted.kind()], [crate::ErrorKind::Conflict; 2]);
}

#[tokio::test]
async fn a_command_beside_a_deployment_is_journalled_by_whoever_runs_it() {
    use crate::journal::CommandPlace;
    let stage = Stage::new(Strategy::BlueGreen, 1);
    assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
    let actor = stage.actor(FaultPlan::default());
    let words = ["migrate".to_owned(), "--password=x".to_owned()];
    let id = release(1).id;
    let began = actor.deployer.begin_command(CommandPlace::OneOff, &id, "app", &words).await;
    actor.deployer.end_command(began.expect("a record"), Some(3)).await.expect("a record");
    let journal = stage.journal().await;
    let command = &journal.state().commands[0];
    assert_eq!((command.began.program.as_str(), command.exit_code), ("migrate", Some(3)));
    assert_eq!(stage.deploy(release(2)).await, Outcome::Done);
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

/// A last look that finds a port taken, or that cannot look.
#[derive(Debug)]
struct Look {
    broken: bool,
}

#[async_trait::async_trait]
impl LastLook for Look {
    async fn look(&self) -> crate::Result<Report> {
        if self.broken {
            return Err(crate::Error::new(crate::ErrorKind::Unavailable, "no answer"));
        }
        Ok(Report::of(vec![Finding::error(Code::PORT_HELD, "public port 80 is held by another process")]))
    }
}

#[tokio::test]
async fn what_is_found_under_the_lock_refuses_and_changes_nothing() {
    for broken in [false, true] {
        let stage = Stage::new(Strategy::BlueGreen, 1);
        assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
        let before = stage.world.truth();
        let actor = stage.actor(FaultPlan::default());
        let look: Arc<dyn LastLook> = Arc::new(Look { broken });
        let request = Request { last_look: Some(look), ..stage.request(release(2)) };
        let finished = actor.deployer.deploy(&request, &actor.control).await.expect("an end");
        assert_eq!((finished.outcome, finished.exit_code), (Outcome::Refused, 3));
        assert_eq!(finished.findings.len(), usize::from(!broken));
        assert_eq!(finished.cause.is_some(), broken);
        assert_eq!(finished.serving.len(), 1, "{:?}", finished.serving);
        let touched = |call: &Call| call.mutating && call.target != "journal";
        assert!(!actor.faults.calls().iter().any(touched), "{:?}", actor.faults.calls());
        let now = stage.world.truth();
        assert_eq!((now.sets, now.split), (before.sets, before.split));
        // It is no failure of the release.
        let state = stage.journal().await.state().clone();
        assert!(state.open.is_none() && state.condemned.is_empty());
        assert_eq!(stage.deploy(release(2)).await, Outcome::Done);
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

/// A router that never takes an owner: it does not answer, or says for good that it cannot.
#[derive(Debug, Default)]
struct NoOwner {
    asked: std::sync::atomic::AtomicU64,
    for_good: bool,
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
        if self.for_good { Verdict::Conflict } else { Verdict::Fail }
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
            // It never had an owner, so nothing was changed.
            assert_eq!(finished.outcome, Outcome::Refused);
        }
    }
}

#[tokio::test]
async fn a_way_back_that_cannot_begin_is_stuck_and_is_begun_again_by_the_next() {
    for roll_back in [false, true] {
        let stage = left::left_baking().await;
        let (deployer, pid) = stage.deployer(Arc::new(NoOwner { for_good: true, ..NoOwner::default() }));
        let control = Control::default();
        let stuck = if roll_back {
            deployer.roll_back(None, &control).await
        } else {
            deployer.abort(&control, HOUR).await
        };
        let stuck = stuck.expect("an end");
        assert_eq!((stuck.outcome, stuck.exit_code), (Outcome::Stuck, 5));
        assert!(stuck.cause.as_ref().is_some_and(|cause| cause.hint.is_some()), "{stuck:?}");
        stage.dead.pids.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
        stage.resume().await;
        assert_eq!(stage.existing(), [release(2).id]);
        assert!(stage.journal().await.state().open.is_none());
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

/// Keeps the lowest number of well tasks, of whichever release, that there was at any change.
#[derive(Debug, Default)]
struct FewestWell {
    fewest: Mutex<Option<usize>>,
}

impl Monitor for FewestWell {
    fn changed(&self, _: &Change, _: &Fence, truth: &Truth) {
        let well = truth.sets.values().map(|set| set.healthy().count()).sum();
        let mut fewest = self.fewest.lock().unwrap_or_else(PoisonError::into_inner);
        *fewest = Some(fewest.map_or(well, |fewest: usize| fewest.min(well)));
    }
}

#[tokio::test]
async fn a_service_that_becomes_a_worker_keeps_its_tasks_until_the_new_ones_are_well() {
    for tasks in [1, 3] {
        let mut stage = Stage::new(Strategy::Rolling, tasks);
        stage.config.maximum_percent = if tasks == 3 { 134 } else { 200 };
        assert_eq!(stage.deploy(release(1)).await, Outcome::Done);
        let monitor = Arc::new(FewestWell::default());
        stage.world.set_monitor(monitor.clone());
        assert_eq!(stage.deploy(worker(2)).await, Outcome::Done);
        let fewest = *monitor.fewest.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(fewest >= Some(tasks as usize), "{fewest:?} of {tasks} tasks");
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
async fn what_serves_already_needs_no_step() {
    let stage = with_two(Strategy::BlueGreen).await;
    let actor = stage.actor(FaultPlan::default());
    let plan = async |number| actor.deployer.plan(&stage.request(release(number))).await.expect("a plan");
    assert_eq!(plan(2).await.steps, []);
    assert_ne!(plan(1).await.steps, []);
    stage.world.set_behaviour(&release(2).id, Behaviour::NeverHealthy);
    assert_ne!(plan(2).await.steps, []);
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
