//! What is tried: every planner with every goal.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lab::Recovery;
use crate::memory::Behaviour;
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, Gradual, SmokeCheck, SmokeExpectation, Strategy};
use crate::release::{Digest, Image, Release};
use crate::retention::Retention;
use crate::traffic::Percent;
use crate::workload::{EndpointPort, HealthGate, Probe, Workload};

/// One thing to try.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) strategy: Strategy,
    pub(super) tasks: u32,
    /// Whether the platform rolls out by itself.
    pub(super) managed: bool,
    /// How many good releases were promoted before.
    pub(super) before: u32,
    pub(super) act: Act,
    /// How it ends when nothing is disturbed.
    pub(super) outcome: Outcome,
}

/// What the process under test does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Deploys a release that behaves like this.
    Deploy(Behaviour),
    /// Deploys a good release and is asked to stop at once.
    DeployAborted,
    /// Deploys a good release, is asked to pause, and is given this answer then.
    DeployPaused(Answer),
    /// Deploys a good release that the last look under the lock refuses.
    DeployRefused,
    /// Deploys what serves already, to be reached otherwise.
    DeployOtherwise,
    /// Goes back.
    RollBack,
    /// Changes the number of tasks.
    Scale(u32),
    /// Replaces the tasks.
    Restart,
    /// Takes everything down.
    Down,
}

/// What a paused deployment is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Promote,
    Abort,
}

pub(super) const GOOD: Behaviour = Behaviour::Healthy { after: Duration::from_millis(20) };
const CRASHING: Behaviour = Behaviour::Crashes { after: Duration::from_millis(700) };

impl Scenario {
    pub(super) fn all() -> Vec<Self> {
        let strategies = [
            (Strategy::Recreate, 1, false),
            (Strategy::Rolling, 1, false),
            (Strategy::Rolling, 3, false),
            (Strategy::BlueGreen, 2, false),
            (Strategy::Rolling, 2, true),
            (Strategy::BlueGreen, 2, true),
            (Strategy::Canary, 2, true),
            (Strategy::Linear, 2, true),
        ];
        let acts = [
            ("first deploy", 0, Act::Deploy(GOOD), Outcome::Done),
            (
                "first deploy that is never healthy",
                0,
                Act::Deploy(Behaviour::NeverHealthy),
                Outcome::RolledBack,
            ),
            ("deploy", 1, Act::Deploy(GOOD), Outcome::Done),
            ("deploy that lets go of an old release", 2, Act::Deploy(GOOD), Outcome::Done),
            ("deploy that is never healthy", 1, Act::Deploy(Behaviour::NeverHealthy), Outcome::RolledBack),
            ("deploy that fails its smoke check", 1, Act::Deploy(Behaviour::Broken), Outcome::RolledBack),
            ("deploy that crashes while it bakes", 1, Act::Deploy(CRASHING), Outcome::RolledBack),
            ("deploy that is aborted", 1, Act::DeployAborted, Outcome::Interrupted),
            ("deploy that is paused and promoted", 1, Act::DeployPaused(Answer::Promote), Outcome::Done),
            ("deploy that is paused and aborted", 1, Act::DeployPaused(Answer::Abort), Outcome::Done),
            ("first deploy that is refused under the lock", 0, Act::DeployRefused, Outcome::Refused),
            ("deploy that is refused under the lock", 1, Act::DeployRefused, Outcome::Refused),
            ("deploy of what serves, to be reached otherwise", 1, Act::DeployOtherwise, Outcome::Done),
            ("rollback", 2, Act::RollBack, Outcome::Done),
            ("scale up", 1, Act::Scale(4), Outcome::Done),
            ("scale to nothing", 1, Act::Scale(0), Outcome::Done),
            ("restart", 1, Act::Restart, Outcome::Done),
            ("down", 1, Act::Down, Outcome::Done),
        ];
        strategies
            .into_iter()
            .flat_map(|(strategy, tasks, managed)| {
                let by_itself = if managed { "managed " } else { "" };
                acts.map(|(name, before, act, outcome)| Self {
                    name: format!("{by_itself}{strategy} x{tasks}: {name}"),
                    strategy,
                    tasks,
                    managed,
                    before,
                    act,
                    outcome,
                })
            })
            // Where requests come in is no business of ours on a platform that sends them by itself.
            .filter(|scenario| !(scenario.managed && scenario.act == Act::DeployOtherwise))
            .collect()
    }

    pub(super) fn recoveries(&self) -> Vec<Recovery> {
        match self.act {
            Act::Down => {
                vec![Recovery::Resume, Recovery::DeployAnother, Recovery::Down, Recovery::RollBack]
            }
            _ => vec![Recovery::Resume, Recovery::DeployAnother, Recovery::RollBack],
        }
    }

    pub(super) fn config(&self) -> DeploymentConfig {
        let expect = SmokeExpectation { status: 200, json: BTreeMap::new() };
        DeploymentConfig {
            strategy: self.strategy,
            // Else a platform that rolls out by itself is left the number that it keeps.
            tasks: self.managed.then_some(self.tasks),
            bake_time: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(1),
            timeout: Duration::from_mins(2),
            // Three tasks are replaced one at a time.
            maximum_percent: if self.tasks == 3 { 134 } else { 200 },
            gradual: Gradual {
                canary_bake_time: Duration::from_secs(1),
                step_percent: Percent::from_tenths(500).expect("50 %"),
                step_bake_time: Duration::from_secs(1),
                ..Gradual::default()
            },
            // What serves and what a rollback goes to are kept beyond it.
            retention: Retention { keep_releases: 1, ..Retention::default() },
            smoke: vec![SmokeCheck { path: "/".into(), timeout: Duration::from_secs(1), expect }],
            ..DeploymentConfig::default()
        }
    }
}

/// The nth release.
pub(super) fn release(number: u32) -> Release {
    let digest = Digest::of(&number.to_be_bytes());
    let image = Image { reference: format!("app:{number}"), digest, manifest: None };
    let mut workload = Workload::single("app");
    workload.endpoint = Some(EndpointPort { container: "app".to_owned(), port: 80 });
    workload.gate = HealthGate {
        grace: Duration::from_secs(1),
        ..HealthGate::new(Probe::Http { path: "/health".to_owned() })
    };
    let images = BTreeMap::from([("app".to_owned(), image)]);
    Release::new(number.to_string(), images, Vec::new(), workload, None).expect("a release")
}
