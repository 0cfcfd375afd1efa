//! A world, a journal, and processes that come and go.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use object_store::ObjectStore;

use super::Specimen;
use super::monitor::{Invariants, Rules};
use super::scenario::{Act, Answer, GOOD, Scenario, release};
use crate::clock::{Clock, between};
use crate::engine::{Control, Deployer, Parts, Request};
use crate::event::{Finished, Silent};
use crate::fault::{Call, FaultPlan, Faults, intercept};
use crate::finding::{Code, Finding};
use crate::journal::faulty::FaultyStore;
use crate::journal::{AbortKind, Liveness, Owner, Process};
use crate::memory::{Behaviour, MemoryClock, PUBLIC, World};
use crate::orchestrator::{Health, Standing};
use crate::outcome::Outcome;
use crate::plan::Strategy;
use crate::preflight::{LastLook, Report};
use crate::release::{Release, ReleaseId};
use crate::retention::{Retainer, Usage};
use crate::service::ServiceKey;

/// Longer than any lease.
pub(super) const SUSPENSION: Duration = Duration::from_mins(10);

/// How the next command finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recovery {
    Resume,
    DeployAnother,
    RollBack,
    Down,
}

pub(super) struct Lab {
    scenario: Scenario,
    specimen: Specimen,
    clock: Arc<MemoryClock>,
    world: World,
    store: Arc<dyn ObjectStore>,
    monitor: Arc<Invariants>,
    kept: Arc<Kept>,
    dead: Arc<Dead>,
    processes: std::cell::Cell<u32>,
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

/// The last look of a caller: one more call that leaves the process. It keeps what the release needs.
#[derive(Debug)]
struct Look {
    faults: Arc<Faults>,
    refuses: bool,
    release: ReleaseId,
    kept: Arc<Kept>,
}

/// The releases of which images and values are kept.
#[derive(Debug, Default)]
struct Kept(Mutex<BTreeSet<ReleaseId>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<ReleaseId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What lets go of them for a process.
#[derive(Debug)]
struct LettingGo {
    faults: Arc<Faults>,
    kept: Arc<Kept>,
}

impl fmt::Display for LettingGo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what is kept in the lab")
    }
}

#[async_trait]
impl Retainer for LettingGo {
    async fn let_go(&self, gone: &[Release], _: &[Release]) -> crate::Result<()> {
        let let_go = || async {
            self.kept.lock().retain(|kept| gone.iter().all(|release| release.id != *kept));
            Ok(())
        };
        intercept(&*self.faults, "retainer", "let_go", true, let_go).await
    }

    async fn usage(&self) -> crate::Result<Usage> {
        Ok(Usage::default())
    }
}

#[async_trait]
impl LastLook for Look {
    async fn look(&self) -> crate::Result<Report> {
        let look = || async {
            if self.refuses {
                let taken = Finding::error(Code::PORT_HELD, "public port 80 is held by another process");
                return Ok(Report::of(vec![taken]));
            }
            self.kept.lock().insert(self.release.clone());
            Ok(Report::default())
        };
        intercept(&*self.faults, "caller", "look", false, look).await
    }
}

/// A process with its own numbering of calls.
struct Actor {
    deployer: Deployer,
    control: Control,
    faults: Arc<Faults>,
    pid: u32,
}

impl Lab {
    /// A world in which the scenario's earlier releases were promoted.
    pub(super) async fn new(scenario: &Scenario, specimen: &Specimen) -> Result<Self, String> {
        let clock = Arc::new(MemoryClock::default());
        let world = World::new(clock.clone());
        let monitor = Arc::new(Invariants::default());
        world.set_monitor(monitor.clone());
        let lab = Self {
            scenario: scenario.clone(),
            specimen: specimen.clone(),
            clock,
            world,
            store: crate::journal::in_memory(),
            monitor,
            kept: Arc::default(),
            dead: Arc::default(),
            processes: std::cell::Cell::new(0),
        };
        for number in 1..=scenario.before {
            let actor = lab.actor(FaultPlan::default());
            let finished = lab.deploy(&actor, number, GOOD).await.map_err(|error| error.to_string())?;
            if finished.outcome != Outcome::Done {
                return Err(format!("setting up: {finished:?}"));
            }
        }
        let crashes = matches!(scenario.act, Act::Deploy(Behaviour::Crashes { .. }));
        let recreate = scenario.strategy == Strategy::Recreate;
        // Where there may be a moment at which nobody answers.
        let gap = recreate
            || matches!(scenario.act, Act::Down | Act::Scale(0))
            || (crashes && (scenario.strategy == Strategy::Rolling || scenario.managed));
        lab.monitor.apply(Rules {
            always_answers: scenario.before > 0 && !gap,
            full_set: (scenario.strategy != Strategy::Rolling).then_some(scenario.tasks),
            never_two: recreate,
        });
        Ok(lab)
    }

    fn actor(&self, plan: FaultPlan) -> Actor {
        let pid = self.processes.get() + 1;
        self.processes.set(pid);
        let faults = Arc::new(Faults::new(plan, self.clock.clone()));
        let process = Process { boot: "lab".to_owned(), pid, started: 0, machine: None };
        let parts = Parts {
            key: ServiceKey::new("app", "lab").expect("a name"),
            platform: (self.specimen.wrap)(if self.scenario.managed {
                Arc::new(self.world.managed(faults.clone()))
            } else {
                Arc::new(self.world.platform(faults.clone()))
            }),
            prober: Arc::new(self.world.prober(faults.clone())),
            journals: Arc::new(FaultyStore::new(self.store.clone(), faults.clone())),
            clock: self.clock.clone(),
            observer: Arc::new(Silent),
            liveness: self.dead.clone(),
            owner: Owner { nonce: format!("p{pid}"), who: "tester".to_owned(), process: Some(process) },
            public: Some(PUBLIC),
            retainers: vec![Arc::new(LettingGo { faults: faults.clone(), kept: self.kept.clone() })],
        };
        let deployer = Deployer::with_policy(parts, self.specimen.policy.clone()).with_patience(SUSPENSION);
        Actor { deployer, control: Control::default(), faults, pid }
    }

    async fn deploy(&self, actor: &Actor, number: u32, behaviour: Behaviour) -> crate::Result<Finished> {
        let release = release(number);
        self.world.set_behaviour(&release.id, behaviour);
        self.deploy_looking(actor, release, false).await
    }

    async fn deploy_looking(
        &self,
        actor: &Actor,
        release: Release,
        refuses: bool,
    ) -> crate::Result<Finished> {
        let (faults, kept) = (actor.faults.clone(), self.kept.clone());
        let look = Look { faults, refuses, release: release.id.clone(), kept };
        let request = Request {
            release,
            tasks: self.scenario.tasks,
            config: self.scenario.config(),
            retry: false,
            last_look: Some(Arc::new(look)),
        };
        actor.deployer.deploy(&request, &actor.control).await
    }

    fn deployed(&self) -> u32 {
        self.scenario.before + 1
    }

    async fn act(&self, actor: &Actor) -> crate::Result<Finished> {
        match self.scenario.act {
            Act::Deploy(behaviour) => self.deploy(actor, self.deployed(), behaviour).await,
            Act::DeployAborted => {
                actor.control.abort(AbortKind::Interrupted);
                self.deploy(actor, self.deployed(), GOOD).await
            }
            Act::DeployPaused(answer) => {
                actor.control.pause();
                let paused = self.deploy(actor, self.deployed(), GOOD).await?;
                if paused.outcome != Outcome::Paused {
                    return Ok(paused);
                }
                match self.answer(actor, answer).await {
                    // Whoever is told that it did not work does it again.
                    Err(_) => self.answer(actor, answer).await,
                    answered => answered,
                }
            }
            Act::DeployRefused => self.deploy_looking(actor, release(self.deployed()), true).await,
            Act::DeployOtherwise => {
                self.world.ask_otherwise();
                self.deploy(actor, self.scenario.before, GOOD).await
            }
            Act::RollBack => actor.deployer.roll_back(None, &actor.control).await,
            Act::Scale(tasks) => actor.deployer.scale(tasks, &actor.control).await,
            Act::Restart => actor.deployer.restart(&actor.control).await,
            Act::Down => actor.deployer.take_down(Duration::from_secs(1), &actor.control).await,
        }
    }

    async fn answer(&self, actor: &Actor, answer: Answer) -> crate::Result<Finished> {
        match answer {
            Answer::Promote => actor.deployer.promote(&actor.control).await,
            Answer::Abort => actor.deployer.abort(&actor.control, SUSPENSION).await,
        }
    }

    /// Runs the act without any fault and answers with its calls.
    pub(super) async fn undisturbed(&self) -> Result<Vec<Call>, String> {
        let actor = self.actor(FaultPlan::default());
        let finished = self.act(&actor).await.map_err(|error| error.to_string())?;
        if finished.outcome != self.scenario.outcome {
            return Err(format!("{}, undisturbed: {finished:?}", self.scenario.name));
        }
        let touched = actor.faults.calls().into_iter().find(|call| call.mutating && call.target != "journal");
        if let (Outcome::Refused, Some(call)) = (finished.outcome, touched) {
            return Err(format!("{} was refused and has called {call:?}", self.scenario.name));
        }
        self.judge(&self.goals_of_act(), Some(&finished)).await?;
        Ok(actor.faults.calls())
    }

    /// Runs the act with a fault that its own process survives.
    pub(super) async fn disturbed(&self, plan: FaultPlan) -> Result<(), String> {
        let actor = self.actor(plan);
        match self.act(&actor).await {
            Ok(finished) if finished.outcome == self.scenario.outcome => {
                self.judge(&self.goals_of_act(), Some(&finished)).await
            }
            Ok(finished) if matches!(finished.outcome, Outcome::RolledBack | Outcome::Refused) => {
                self.judge(&self.goals_of_failure(), Some(&finished)).await
            }
            Ok(finished) => Err(format!("ended as {finished:?}")),
            // Refused before anything was opened: nothing changed.
            Err(_) => self.judge(&self.goals_before(), None).await,
        }
    }

    /// Lets the process die and another one recover; then lets the second die too, and a third recover.
    pub(super) async fn crash_and_recover(
        &self,
        plan: FaultPlan,
        recovery: Recovery,
        number: u64,
    ) -> Result<(), String> {
        self.run_until_crash(plan, |actor| self.act_owned(actor)).await?;
        // The second process dies somewhere in its own recovery for every other point.
        if number.is_multiple_of(2) {
            let place = 1 + number % 61;
            let plan = FaultPlan::default().at(place, crate::fault::Fault::CrashAfter);
            self.run_until_crash(plan, |actor| self.recover_owned(actor, recovery)).await?;
        }
        let actor = self.actor(FaultPlan::default());
        let finished = self.recover(&actor, recovery).await;
        let goals = self.goals_of_recovery(recovery);
        match finished {
            Ok(finished) if finished.outcome == Outcome::Stuck => Err(format!("stuck: {finished:?}")),
            Ok(finished) => self.judge(&goals, Some(&finished)).await,
            Err(error) if recovery == Recovery::RollBack => {
                // Nothing was in flight and there is nothing to go back to.
                self.judge(&goals, None).await.map_err(|broken| format!("{broken} ({error})"))
            }
            Err(error) => Err(error.causes().join(": ")),
        }
    }

    async fn run_until_crash<'a, F>(
        &'a self,
        plan: FaultPlan,
        run: impl FnOnce(Arc<Actor>) -> F,
    ) -> Result<(), String>
    where
        F: Future<Output = crate::Result<Finished>> + 'a,
    {
        let actor = Arc::new(self.actor(plan));
        let ended = actor.faults.until_crash(run(actor.clone())).await;
        self.dead.pids.lock().unwrap_or_else(PoisonError::into_inner).insert(actor.pid);
        match ended {
            Some(Ok(finished)) if finished.outcome == Outcome::Stuck => Err(format!("stuck: {finished:?}")),
            _ => Ok(()),
        }
    }

    async fn act_owned(&self, actor: Arc<Actor>) -> crate::Result<Finished> {
        self.act(&actor).await
    }

    async fn recover_owned(&self, actor: Arc<Actor>, recovery: Recovery) -> crate::Result<Finished> {
        self.recover(&actor, recovery).await
    }

    async fn recover(&self, actor: &Actor, recovery: Recovery) -> crate::Result<Finished> {
        match recovery {
            Recovery::Resume => match actor.deployer.resume(&actor.control).await? {
                // It tells that somebody has to answer, and somebody does.
                paused if paused.outcome == Outcome::Paused => self.answer(actor, Answer::Promote).await,
                finished => Ok(finished),
            },
            Recovery::DeployAnother => match self.deploy(actor, 99, GOOD).await? {
                // What is paused holds the service, until whoever needs it takes it back.
                held if held.outcome == Outcome::TimedOut => {
                    self.answer(actor, Answer::Abort).await?;
                    self.deploy(actor, 99, GOOD).await
                }
                finished => Ok(finished),
            },
            Recovery::RollBack => actor.deployer.roll_back(None, &actor.control).await,
            Recovery::Down => actor.deployer.take_down(Duration::from_secs(1), &actor.control).await,
        }
    }

    /// Suspends the process in the middle of a call, lets another take over and finish, and wakes it.
    pub(super) async fn suspend_and_take_over(&self, plan: FaultPlan) -> Result<(), String> {
        let first = self.actor(plan);
        let act = self.act(&first);
        tokio::pin!(act);
        // The delay makes the clock jump beyond every lease and yields once: that is where it is suspended.
        let started = self.clock.now();
        while between(started, self.clock.now()) < SUSPENSION {
            if futures_util::poll!(&mut act).is_ready() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        let second = self.actor(FaultPlan::default());
        let finished = self.recover(&second, Recovery::DeployAnother).await;
        let finished = finished.map_err(|error| error.causes().join(": "))?;
        self.judge(&self.goals_of_recovery(Recovery::DeployAnother), Some(&finished)).await?;
        let _ = act.await;
        let judged = self.judge(&self.goals_of_recovery(Recovery::DeployAnother), Some(&finished)).await;
        judged.map_err(|error| format!("after the first owner woke: {error}"))
    }

    fn goals_before(&self) -> Vec<Option<ReleaseId>> {
        vec![nth(self.scenario.before)]
    }

    fn goals_of_failure(&self) -> Vec<Option<ReleaseId>> {
        self.goals_before()
    }

    fn goals_of_act(&self) -> Vec<Option<ReleaseId>> {
        match (self.scenario.act, self.scenario.outcome) {
            (Act::Down, _) => vec![None],
            (Act::RollBack, _) => vec![nth(self.scenario.before - 1)],
            (Act::Scale(_) | Act::Restart | Act::DeployOtherwise | Act::DeployPaused(Answer::Abort), _) => {
                self.goals_before()
            }
            (_, Outcome::Done) => vec![nth(self.deployed())],
            _ => self.goals_before(),
        }
    }

    /// The act may have ended before the process died, or not have begun.
    fn goals_of_recovery(&self, recovery: Recovery) -> Vec<Option<ReleaseId>> {
        match recovery {
            Recovery::DeployAnother => vec![nth(99)],
            Recovery::Down => vec![None],
            // The wish to abort dies with its process when it was not recorded yet; whoever finds it paused
            // promotes it.
            Recovery::Resume if matches!(self.scenario.act, Act::DeployAborted | Act::DeployPaused(_)) => {
                [self.goals_before(), vec![nth(self.deployed())]].concat()
            }
            Recovery::Resume => [self.goals_before(), self.goals_of_act()].concat(),
            Recovery::RollBack => {
                let earlier = nth(self.scenario.before.saturating_sub(1));
                [self.goals_before(), self.goals_of_act(), vec![nth(self.deployed()), earlier]].concat()
            }
        }
    }

    /// One complete release serves, it is one of these, the journal says the same, and nothing was violated.
    async fn judge(&self, goals: &[Option<ReleaseId>], finished: Option<&Finished>) -> Result<(), String> {
        if let Some(violation) = self.monitor.violations().first() {
            return Err(violation.clone());
        }
        // What is on its way out at the end of a command is gone a moment later.
        self.clock.advance(Duration::from_secs(1));
        let reader = self.actor(FaultPlan::default());
        let told = |error: crate::Error| error.causes().join(": ");
        reader.deployer.parts_platform().observe().await.map_err(told)?;
        let truth = self.world.truth();
        let journal = reader.deployer.journal().await.map_err(told)?;
        let state = journal.state();
        if let Some(open) = &state.open {
            return Err(format!("{} is still open", open.opened.deployment));
        }
        let existing: Vec<&ReleaseId> = truth.sets.keys().collect();
        let routed: Vec<&ReleaseId> = truth.split.routes.iter().map(|route| &route.release).collect();
        let current = state.current();
        // One that is scaled to nothing exists nowhere.
        let expected: Vec<&ReleaseId> = current.filter(|_| state.tasks > 0).into_iter().collect();
        if existing != expected || routed != expected {
            return Err(format!("{current:?} should be alone; {existing:?} exist and {routed:?} are routed"));
        }
        if !goals.contains(&current.cloned()) {
            return Err(format!("{current:?} serves, expected one of {goals:?}"));
        }
        if let Some(condemned) = current.filter(|current| state.condemned.contains_key(*current)) {
            return Err(format!("{condemned} serves although it is condemned"));
        }
        let kept = self.kept.lock().clone();
        if let Some(gone) = current.into_iter().chain(state.rollback_target()).find(|id| !kept.contains(*id))
        {
            return Err(format!("{gone} may be needed and is not kept: {kept:?}"));
        }
        if let Some(release) = expected.first().copied() {
            let set = &truth.sets[release];
            let complete = set.tasks.len() == state.tasks as usize
                && set.tasks.iter().all(|task| {
                    !task.doomed
                        && task.health == Health::Healthy
                        && task.standing == Standing::Promoted
                        && truth.split.references(&task.id)
                });
            if !complete {
                return Err(format!("{release} is not complete: {set:?}, {:?}", truth.split));
            }
        }
        if let Some(finished) = finished {
            let claims_success = finished.outcome == Outcome::Done && finished.release.is_some();
            if claims_success && finished.release.as_ref() != current {
                return Err(format!(
                    "success was claimed for {:?} while {current:?} serves",
                    finished.release
                ));
            }
            let told: Vec<&ReleaseId> = finished.serving.iter().map(|serving| &serving.release).collect();
            if told != expected {
                return Err(format!("{told:?} was told to serve, {expected:?} does"));
            }
        }
        Ok(())
    }
}

/// The id of the nth release; none before the first.
fn nth(number: u32) -> Option<ReleaseId> {
    (number > 0).then(|| release(number).id)
}
