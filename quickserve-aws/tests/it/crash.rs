//! Death at every call to AWS: the next command finds out, and one complete release serves.

use std::collections::BTreeSet;

use quickserve_core::engine::Control;
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::outcome::Outcome;
use quickserve_core::plan::Strategy;
use quickserve_core::release::ReleaseId;

use crate::fake::{Moment, State};
use crate::lab::Lab;
use crate::register::version;

/// What is deployed while the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    First,
    Good,
    Failing,
}

impl Scenario {
    async fn lab(self, strategy: Strategy) -> Lab {
        let lab = Lab::with(strategy).await;
        if self != Self::First {
            assert_eq!(lab.deploy(version("1")).await.outcome, Outcome::Done);
        }
        if self == Self::Failing {
            lab.fake.state().fates.fail.insert(2, Vec::new());
        }
        lab.fake.state().seen.clear();
        lab
    }

    /// What may serve once somebody has recovered; nothing, where the first release was taken back.
    fn allowed(self) -> Vec<Option<ReleaseId>> {
        let (one, two) = (Some(version("1").id), Some(version("2").id));
        match self {
            Self::First => vec![None, two],
            Self::Good => vec![one, two],
            Self::Failing => vec![one],
        }
    }
}

async fn dies_at(scenario: Scenario, strategy: Strategy, request: u64, moment: Moment) {
    let lab = scenario.lab(strategy).await;
    lab.fake.state().death.plan(request, moment);
    let ended = lab.deploy_mortally(version("2")).await;
    assert!(ended.is_none(), "it came to an end: {ended:#?}");
    let next = lab.deployer(3);
    let finished = next.resume(&Control::default()).await.expect("an end");
    assert_ne!(finished.outcome, Outcome::Stuck, "{finished:#?}");
    let journal = next.journal().await.expect("a journal");
    assert!(journal.state().open.is_none(), "{finished:#?}");
    let current = journal.state().current().cloned();
    assert!(scenario.allowed().contains(&current), "{current:?}: {finished:#?}");
    let observed = lab.ecs.observe().await.expect("observed");
    let serving: Vec<&ReleaseId> = observed.split.serving().map(|(release, _)| release).collect();
    assert_eq!(serving, current.iter().collect::<Vec<_>>(), "{finished:#?}");
    if let Some(current) = &current {
        let rollout = observed.rollout.as_ref().expect("a rollout");
        assert_eq!((rollout.release.as_ref(), rollout.succeeded), (Some(current), true));
        assert_eq!(observed.set(current).healthy().count(), 2);
    }
    assert_eq!(lab.fake.state().violations, Vec::<String>::new());
}

async fn dies_everywhere(scenario: Scenario, strategy: Strategy) {
    let lab = scenario.lab(strategy).await;
    let undisturbed = lab.deploy(version("2")).await;
    let wanted = if scenario == Scenario::Failing { Outcome::RolledBack } else { Outcome::Done };
    assert_eq!(undisturbed.outcome, wanted, "{undisturbed:#?}");
    let operations: Vec<String> = lab.fake.state().seen.iter().map(|seen| seen.operation.clone()).collect();
    assert!(operations.len() > 20, "{operations:?}");
    let mut tried = BTreeSet::new();
    let mut changes = 0;
    for (number, operation) in (1..).zip(&operations) {
        changes += u32::from(State::changes(operation));
        // A rollout by stages is looked at very often: of looks between two changes, each operation stands for all alike.
        if strategy != Strategy::Rolling && !tried.insert((changes, operation)) {
            continue;
        }
        dies_at(scenario, strategy, number, Moment::Before).await;
        if State::changes(operation) {
            dies_at(scenario, strategy, number, Moment::After).await;
        }
    }
}

#[tokio::test]
async fn a_first_deployment_survives_a_death_at_every_call() {
    dies_everywhere(Scenario::First, Strategy::Rolling).await;
}

#[tokio::test]
async fn a_good_deployment_survives_a_death_at_every_call() {
    dies_everywhere(Scenario::Good, Strategy::Rolling).await;
}

#[tokio::test]
async fn a_failing_deployment_survives_a_death_at_every_call() {
    dies_everywhere(Scenario::Failing, Strategy::Rolling).await;
}

#[tokio::test]
async fn a_canary_survives_a_death_at_every_call() {
    dies_everywhere(Scenario::Good, Strategy::Canary).await;
}

#[tokio::test]
async fn a_failing_blue_green_deployment_survives_a_death_at_every_call() {
    dies_everywhere(Scenario::Failing, Strategy::BlueGreen).await;
}

#[tokio::test]
async fn a_first_linear_deployment_survives_a_death_at_every_call() {
    dies_everywhere(Scenario::First, Strategy::Linear).await;
}
