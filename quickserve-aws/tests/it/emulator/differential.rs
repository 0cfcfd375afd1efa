//! The fake beside the emulator: what a client can see of the same rolling deployments.

use std::time::Duration;

use quickserve_aws::ecs::Ecs;
use quickserve_core::clock::{Clock as _, SystemClock, between};
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::release::{Digest, Release};
use quickserve_core::rollout::{ManagedRollout as _, RolloutId, RolloutState, Started};

use crate::fake::Fake;
use crate::register::ecs;
use crate::support::{fence, release, spec};

use super::deploy::Shop;

const PATIENCE: Duration = Duration::from_secs(150);

/// Either of the two, with a good release, another good one, and one that ends at once.
struct Side {
    ecs: Ecs,
    good: Release,
    better: Release,
    bad: Release,
}

/// What a client sees of a rollout: the states that it passes, each once, and what serves in the end.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    states: Vec<&'static str>,
    /// Healthy tasks of the good, the better and the bad release.
    tasks: [usize; 3],
    /// Whether the service heads for a release that succeeded.
    settled: bool,
}

fn name(state: &RolloutState) -> &'static str {
    match state {
        RolloutState::Running(_) => "running",
        RolloutState::Waiting { .. } => "waiting",
        RolloutState::Succeeded => "succeeded",
        RolloutState::RolledBack { .. } => "rolled back",
        RolloutState::Failed { .. } => "failed",
        RolloutState::Superseded { .. } => "superseded",
    }
}

impl Side {
    async fn start(&self, release: &Release, from: Option<&RolloutId>) -> RolloutId {
        let revision = self.ecs.register(&fence(), release).await.expect("registered");
        let tasks = from.is_none().then_some(1);
        let started =
            self.ecs.start(&fence(), from, &spec(release, &revision, tasks)).await.expect("started");
        let Started::Rollout(id) = started else { panic!("{started:?}") };
        id
    }

    /// Watches a rollout to its end, and the service until it is settled.
    async fn watch(&self, rollout: &RolloutId) -> Seen {
        let began = SystemClock.now();
        let mut states = Vec::new();
        loop {
            let state = self.ecs.state(rollout).await.expect("its state");
            let name = name(&state);
            if states.last() != Some(&name) {
                states.push(name);
            }
            let observed = self.ecs.observe().await.expect("observed");
            let settled = observed.rollout.as_ref().is_some_and(|rollout| rollout.succeeded);
            if !matches!(state, RolloutState::Running(_)) && settled {
                let healthy = |release: &Release| observed.set(&release.id).healthy().count();
                let tasks = [healthy(&self.good), healthy(&self.better), healthy(&self.bad)];
                return Seen { states, tasks, settled };
            }
            assert!(between(began, SystemClock.now()) < PATIENCE, "{states:?} and {observed:#?}");
            SystemClock.sleep(Duration::from_millis(100)).await;
        }
    }

    /// A good release, one that fails, and one that another takes the place of.
    async fn scenarios(&self) -> [Seen; 4] {
        let first = self.start(&self.good, None).await;
        let good = self.watch(&first).await;
        let failing = self.start(&self.bad, Some(&first)).await;
        let failed = self.watch(&failing).await;
        let newest = self.ecs.observe().await.expect("observed").rollout.expect("a rollout").id;
        let overtaken = self.start(&self.bad, Some(&newest)).await;
        let better = self.start(&self.better, Some(&overtaken)).await;
        let served = self.watch(&better).await;
        [good, failed, served, self.watch(&overtaken).await]
    }
}

async fn of_the_fake() -> [Seen; 4] {
    let fake = Fake::start().await;
    {
        let mut state = fake.state();
        state.fates.alive = true;
        state.fates.takes = 4;
        // The second definition that is registered.
        state.fates.fail.insert(2, Vec::new());
    }
    let version = |tag: &str| {
        let document = r#"{"family": "shop", "containerDefinitions": [{"name": "app", "image": "x"}]}"#;
        release(document, "ghcr.io/acme/shop", tag, Digest::of(tag.as_bytes()))
    };
    let side = Side { ecs: ecs(&fake), good: version("1"), better: version("3"), bad: version("2") };
    side.scenarios().await
}

async fn of_the_emulator() -> [Seen; 4] {
    let shop = Shop::open().await;
    let (good, better, bad) = (shop.version("1", ""), shop.version("3", ""), shop.bad("2"));
    let side = Side { ecs: shop.ecs.clone(), good, better, bad };
    let seen = side.scenarios().await;
    shop.close().await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn emulator_and_fake_look_the_same_to_a_client() {
    let (fake, emulator) = (of_the_fake().await, of_the_emulator().await);
    assert_eq!(fake, emulator);
    assert_eq!(fake[0].states.last(), Some(&"succeeded"));
    assert_eq!(fake[1], Seen { states: vec!["running", "rolled back"], tasks: [1, 0, 0], settled: true });
    assert_eq!(fake[3].states, ["superseded"]);
}
