//! A service of storefront in real containers: deployed, deployed again, and taken back.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use quickserve_aws::ecs::{Ecs, Setup};
use quickserve_aws::secrets::AwsSecrets;
use quickserve_core::clock::{Clock as _, SystemClock, between};
use quickserve_core::engine::{Control, Deployer, Parts, Request};
use quickserve_core::event::Silent;
use quickserve_core::fault::NoFaults;
use quickserve_core::journal::{self, NoLiveness, Owner};
use quickserve_core::memory::{MemoryClock, World};
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::outcome::Outcome;
use quickserve_core::plan::{DeploymentConfig, Strategy};
use quickserve_core::registry::Registry as _;
use quickserve_core::release::{Image, Release};
use quickserve_core::rollout::{ManagedRollout as _, RolloutId, RolloutState, Started};
use quickserve_core::service::ServiceKey;

use serde_json::json;

use super::registry::remote;
use super::{ACCOUNT, Emulator};
use crate::support::{clients, fence, release, spec};

const PATIENCE: Duration = Duration::from_secs(150);

fn docker(arguments: &[&str]) {
    let output = Command::new("docker").args(arguments).output().expect("the docker client");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An image of storefront in the emulator's ECR; it is removed from the engine again.
struct Pushed(String);

impl Pushed {
    fn new(emulator: &Emulator) -> Self {
        let storefront = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../artifacts/storefront");
        assert!(storefront.exists(), "{} is missing: run make artifacts", storefront.display());
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(storefront, folder.path().join("storefront")).expect("copied");
        // An image of its own: another test removes its, and would take this one's layers away while they are built.
        let port = emulator.port;
        let dockerfile = format!(
            "FROM scratch\nLABEL emulator={port}\nCOPY storefront /storefront\nENTRYPOINT [\"/storefront\"]\n"
        );
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).expect("written");
        let reference = format!("localhost:{port}/storefront:1");
        docker(&["build", "-q", "-t", &reference, &folder.path().display().to_string()]);
        docker(&["push", "-q", &reference]);
        Self(reference)
    }
}

impl Drop for Pushed {
    fn drop(&mut self) {
        drop(Command::new("docker").args(["image", "rm", "-f", &self.0]).output());
    }
}

async fn end_of(ecs: &Ecs, rollout: &RolloutId) -> RolloutState {
    let began = SystemClock.now();
    loop {
        let state = ecs.state(rollout).await.expect("its state");
        if !matches!(state, RolloutState::Running(_)) {
            return state;
        }
        assert!(between(began, SystemClock.now()) < PATIENCE, "after {PATIENCE:?} it is {state:?}");
        SystemClock.sleep(Duration::from_millis(200)).await;
    }
}

/// A cluster for storefront, whose image is in ECR.
pub(super) struct Shop {
    pub(super) ecs: Ecs,
    image: Image,
    repository: String,
    _pushed: Pushed,
    _emulator: Emulator,
}

impl Shop {
    pub(super) async fn open() -> Self {
        let emulator = Emulator::start().await;
        emulator.repository("storefront");
        let cluster = json!({ "clusterName": "main" });
        emulator.aws(ACCOUNT, "ecs", "AmazonEC2ContainerServiceV20141113.CreateCluster", &cluster);
        let pushed = Pushed::new(&emulator);
        let registry = remote(&emulator, &["storefront"]).expect("a registry");
        let image = registry.resolve(&pushed.0).await.expect("found").image;
        let clients = clients(emulator.port, ACCOUNT);
        let ecs = Ecs::new(Setup {
            key: key(),
            secrets: Arc::new(AwsSecrets::new(clients.clone())),
            clients,
            cluster: "main".into(),
            service: "storefront".into(),
            definition: Some(r#"{"launchType": "FARGATE"}"#.into()),
            alarms: Vec::new(),
            test_listener: None,
            clock: Arc::new(SystemClock),
        });
        let repository = pushed.0.trim_end_matches(":1").to_owned();
        Self { ecs, image, repository, _pushed: pushed, _emulator: emulator }
    }

    /// A version of storefront, with more members of its container's definition.
    pub(super) fn version(&self, tag: &str, more: &str) -> Release {
        let document = format!(
            r#"{{"family": "storefront", "containerDefinitions": [{{"name": "app", "image": "x"{more},
                "environment": [{{"name": "DATABASE_URL", "value": "postgres://127.0.0.1:1/shop"}},
                    {{"name": "STRIPE_API_KEY", "value": "contract"}}]}}]}}"#
        );
        release(&document, &self.repository, tag, self.image.digest.clone())
    }

    /// One that ends at once.
    pub(super) fn bad(&self, tag: &str) -> Release {
        self.version(tag, r#", "command": ["--no-such-flag"]"#)
    }

    pub(super) async fn close(&self) {
        while !self.ecs.withdraw(&fence()).await.expect("withdrawn") {
            SystemClock.sleep(Duration::from_millis(200)).await;
        }
    }
}

fn key() -> ServiceKey {
    ServiceKey::new("storefront", "production").expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_release_serves_and_a_bad_one_is_taken_back_with_its_cause() {
    let shop = Shop::open().await;
    let ecs = &shop.ecs;
    let deploy = async |release: &Release, from: Option<&RolloutId>, tasks: Option<u32>| {
        let revision = ecs.register(&fence(), release).await.expect("registered");
        let started = ecs.start(&fence(), from, &spec(release, &revision, tasks)).await.expect("started");
        let Started::Rollout(id) = started else { panic!("{started:?}") };
        let end = end_of(ecs, &id).await;
        (id, end)
    };

    let good = shop.version("1", "");
    let (first, end) = deploy(&good, None, Some(1)).await;
    assert_eq!(end, RolloutState::Succeeded);
    let observed = ecs.observe().await.expect("observed");
    assert_eq!(observed.set(&good.id).healthy().count(), 1, "{observed:#?}");
    assert_eq!(observed.set(&good.id).tasks[0].images["app"], shop.image.digest);

    let bad = shop.bad("2");
    let (_, end) = deploy(&bad, Some(&first), None).await;
    let RolloutState::RolledBack { reason } = end else { panic!("{end:?}") };
    assert!(reason.contains("circuit breaker"), "{reason}");
    let failures = ecs.explain(&bad.id).await.expect("explained");
    assert!(failures.iter().any(|failure| failure.exit_code == Some(2)), "{failures:?}");
    let observed = ecs.observe().await.expect("observed");
    assert_eq!(observed.set(&good.id).healthy().count(), 1, "{observed:#?}");
    assert_eq!(observed.set(&bad.id).live().count(), 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_deploys_to_ecs_and_goes_back_to_the_last_good_release() {
    let shop = Shop::open().await;
    let deployer = Deployer::new(Parts {
        key: key(),
        platform: Arc::new(shop.ecs.clone()),
        prober: Arc::new(World::new(Arc::new(MemoryClock::default())).prober(Arc::new(NoFaults))),
        journals: journal::in_memory(),
        clock: Arc::new(SystemClock),
        observer: Arc::new(Silent),
        liveness: Arc::new(NoLiveness),
        owner: Owner { nonce: "one".into(), who: "ada@laptop".into(), process: None },
        public: None,
        retainers: Vec::new(),
    });
    let deploy = async |release: Release| {
        let config = DeploymentConfig {
            strategy: Strategy::Rolling,
            traffic: false,
            bake_time: Duration::from_secs(1),
            timeout: PATIENCE,
            ..DeploymentConfig::default()
        };
        let request = Request { release, tasks: 1, config, retry: false, last_look: None };
        deployer.deploy(&request, &Control::default()).await.expect("an end")
    };
    let good = shop.version("1", "");
    let first = deploy(good.clone()).await;
    assert_eq!(first.outcome, Outcome::Done, "{first:#?}");
    let second = deploy(shop.version("2", "")).await;
    assert_eq!(second.outcome, Outcome::Done, "{second:#?}");
    let bad = deploy(shop.bad("3")).await;
    assert_eq!(bad.outcome, Outcome::RolledBack, "{bad:#?}");
    assert_eq!(bad.serving[0].release, shop.version("2", "").id, "{bad:#?}");
    shop.close().await;
}
