//! Faults planted in the engine: the matrix must find each, else it would not find them in the engine either.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::scenario::Scenario;
use super::{Specimen, exhaust, report};
use crate::engine::policy::{Ending, Policy, Standard};
use crate::error::Result;
use crate::fence::{Epoch, Fence};
use crate::journal::State;
use crate::orchestrator::{
    Capabilities, Drive, Observed, Orchestrator, Revision, SetSpec, SetState, TaskFailure, TaskId, TaskPhase,
    TaskSets, TaskState,
};
use crate::outcome::Outcome;
use crate::plan::{Goal, Plan, Situation, Step};
use crate::release::{Release, ReleaseId};
use crate::rollout::{
    Answer, Answered, GateId, ManagedRollout, RolloutId, RolloutSpec, RolloutState, Started,
};
use crate::traffic::{Counters, Role, Split, SplitVersion, TrafficRouter};

/// The matrix, over the scenarios of that name, must fail.
async fn must_be_found(specimen: Specimen, name: &str) {
    must_be_found_where(specimen, |scenario| scenario.name.ends_with(name)).await;
}

/// As [`must_be_found`], on platforms that are driven step by step, or on those that roll out by themselves.
async fn must_be_found_on(managed: bool, specimen: Specimen, name: &str) {
    must_be_found_where(specimen, |scenario| scenario.managed == managed && scenario.name.ends_with(name))
        .await;
}

async fn must_be_found_where(specimen: Specimen, tried: impl Fn(&Scenario) -> bool) {
    for scenario in Scenario::all().iter().filter(|scenario| tried(scenario)) {
        match exhaust(scenario, &specimen).await {
            Err(found) => report(&format!("  found: {found}")),
            Ok(_) => panic!("{} does not find the fault", scenario.name),
        }
    }
}

fn with_policy(policy: impl Policy) -> Specimen {
    Specimen { policy: Arc::new(policy), ..Specimen::default() }
}

#[tokio::test]
async fn a_switch_before_health_is_found() {
    must_be_found_on(false, with_policy(SwitchesBeforeHealth), ": deploy").await;
}

#[tokio::test]
async fn a_success_after_a_rollback_is_found() {
    must_be_found(with_policy(CallsRollbackSuccess), "deploy that fails its smoke check").await;
}

#[tokio::test]
async fn a_way_back_to_the_condemned_release_is_found() {
    must_be_found(with_policy(FallsBackToTheCondemned), "deploy that crashes while it bakes").await;
}

#[tokio::test]
async fn an_engine_without_a_fence_is_found() {
    let specimen = Specimen { wrap: |platform| Arc::new(Unfenced(platform)), ..Specimen::default() };
    must_be_found_on(false, specimen.clone(), ": deploy").await;
    // There a rollout that is started too late finds another one than it began from, whoever sends it.
    must_be_found_on(true, specimen, ": down").await;
}

/// Every decision but the planted one is the standard one.
macro_rules! planted_policy {
    ($name:ident { $($method:item)* } $($standard:ident)*) => {
        #[derive(Debug)]
        struct $name;

        impl Policy for $name {
            $($method)*
            $(planted_policy!(@ $standard);)*
        }
    };
    (@ plan) => {
        fn plan(&self, situation: &Situation<'_>) -> Result<Plan> {
            Standard.plan(situation)
        }
    };
    (@ ready) => {
        fn ready(&self, task: &TaskState) -> bool {
            Standard.ready(task)
        }
    };
    (@ fallback) => {
        fn fallback(&self, state: &State) -> Goal {
            Standard.fallback(state)
        }
    };
    (@ rollback_target) => {
        fn rollback_target(&self, state: &State) -> Option<ReleaseId> {
            Standard.rollback_target(state)
        }
    };
    (@ outcome) => {
        fn outcome(&self, ending: Ending) -> Outcome {
            Standard.outcome(ending)
        }
    };
}

planted_policy! {
    SwitchesBeforeHealth {
        fn plan(&self, situation: &Situation<'_>) -> Result<Plan> {
            let mut plan = Standard.plan(situation)?;
            let serves = |step: &Step| match step {
                Step::Shift { shares } => shares.iter().any(|share| matches!(share.role, Role::Serving(_))),
                _ => false,
            };
            let place = plan.steps.iter().position(|step| matches!(step, Step::Place { .. }));
            let shift = plan.steps.iter().rposition(serves);
            if let (Some(place), Some(shift)) = (place, shift) && place < shift {
                let switch = plan.steps.remove(shift);
                plan.steps.insert(place + 1, switch);
            }
            Ok(plan)
        }

        fn ready(&self, task: &TaskState) -> bool {
            !task.doomed && task.phase == TaskPhase::Running
        }
    } fallback rollback_target outcome
}

planted_policy! {
    CallsRollbackSuccess {
        fn outcome(&self, ending: Ending) -> Outcome {
            match ending {
                Ending::Restored => Outcome::Done,
                other => Standard.outcome(other),
            }
        }
    } plan ready fallback rollback_target
}

planted_policy! {
    FallsBackToTheCondemned {
        fn fallback(&self, state: &State) -> Goal {
            match &state.open {
                Some(open) => open.opened.goal.clone(),
                None => state.fallback_goal(),
            }
        }
    } plan ready rollback_target outcome
}

/// Sends every call as if it came from the newest owner.
#[derive(Debug)]
struct Unfenced<T: ?Sized>(Arc<T>);

fn newest(fence: &Fence) -> Fence {
    Fence { epoch: Epoch(u64::MAX), not_after: Timestamp::MAX, ..*fence }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Unfenced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} without a fence", self.0)
    }
}

#[async_trait]
impl Orchestrator for Unfenced<dyn Orchestrator> {
    fn drive(&self) -> Drive {
        match self.0.drive() {
            Drive::Stepwise { sets, router } => {
                Drive::Stepwise { sets: Arc::new(Unfenced(sets)), router: Arc::new(Unfenced(router)) }
            }
            Drive::Managed(rollouts) => Drive::Managed(Arc::new(Unfenced(rollouts))),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn observe(&self) -> Result<Observed> {
        self.0.observe().await
    }

    async fn register(&self, fence: &Fence, release: &Release) -> Result<Revision> {
        self.0.register(&newest(fence), release).await
    }

    async fn explain(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>> {
        self.0.explain(release).await
    }

    async fn circumstances(&self, release: &ReleaseId, since: Timestamp) -> Result<Vec<String>> {
        self.0.circumstances(release, since).await
    }
}

#[async_trait]
impl TaskSets for Unfenced<dyn TaskSets> {
    async fn advance(&self, fence: &Fence, spec: &SetSpec) -> Result<SetState> {
        self.0.advance(&newest(fence), spec).await
    }

    async fn doom(&self, fence: &Fence, tasks: &[TaskId]) -> Result<Vec<TaskState>> {
        self.0.doom(&newest(fence), tasks).await
    }
}

#[async_trait]
impl TrafficRouter for Unfenced<dyn TrafficRouter> {
    async fn split(&self) -> Result<(Split, SplitVersion)> {
        self.0.split().await
    }

    async fn raise(&self, fence: &Fence) -> Result<()> {
        self.0.raise(&newest(fence)).await
    }

    async fn set(&self, fence: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion> {
        self.0.set(&newest(fence), expect, split).await
    }

    async fn is_as_asked(&self, split: &Split) -> Result<bool> {
        self.0.is_as_asked(split).await
    }

    async fn closed(&self) -> Result<Option<String>> {
        self.0.closed().await
    }

    async fn in_flight(&self) -> Result<BTreeMap<TaskId, u64>> {
        self.0.in_flight().await
    }

    async fn counters(&self) -> Result<BTreeMap<ReleaseId, Counters>> {
        self.0.counters().await
    }

    async fn remove(&self, fence: &Fence) -> Result<()> {
        self.0.remove(&newest(fence)).await
    }
}

#[async_trait]
impl ManagedRollout for Unfenced<dyn ManagedRollout> {
    async fn start(&self, fence: &Fence, from: Option<&RolloutId>, spec: &RolloutSpec) -> Result<Started> {
        self.0.start(&newest(fence), from, spec).await
    }

    async fn find(&self, release: &ReleaseId) -> Result<Option<RolloutId>> {
        self.0.find(release).await
    }

    async fn state(&self, rollout: &RolloutId) -> Result<RolloutState> {
        self.0.state(rollout).await
    }

    async fn answer(
        &self,
        fence: &Fence,
        rollout: &RolloutId,
        gate: &GateId,
        answer: Answer,
    ) -> Result<Answered> {
        self.0.answer(&newest(fence), rollout, gate, answer).await
    }

    async fn abort(&self, fence: &Fence, rollout: &RolloutId) -> Result<()> {
        self.0.abort(&newest(fence), rollout).await
    }

    async fn preview(&self) -> Result<Option<SocketAddr>> {
        self.0.preview().await
    }

    async fn withdraw(&self, fence: &Fence) -> Result<bool> {
        self.0.withdraw(&newest(fence)).await
    }
}
