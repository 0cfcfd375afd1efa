//! A service of storefront in real containers: deployed, deployed again, and taken back.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use quickserve_aws::ecs::{Ecs, Setup};
use quickserve_aws::secrets::AwsSecrets;
use quickserve_core::clock::{Clock as _, SystemClock, between};
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::registry::Registry as _;
use quickserve_core::release::Release;
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
        let dockerfile = "FROM scratch\nCOPY storefront /storefront\nENTRYPOINT [\"/storefront\"]\n";
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).expect("written");
        let reference = format!("localhost:{}/storefront:1", emulator.port);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_good_release_serves_and_a_bad_one_is_taken_back_with_its_cause() {
    let emulator = Emulator::start().await;
    emulator.repository("storefront");
    let cluster = json!({ "clusterName": "main" });
    emulator.aws(ACCOUNT, "ecs", "AmazonEC2ContainerServiceV20141113.CreateCluster", &cluster);
    let pushed = Pushed::new(&emulator);
    let image = remote(&emulator, &["storefront"])
        .expect("a registry")
        .resolve(&pushed.0)
        .await
        .expect("found")
        .image;
    let clients = clients(emulator.port, ACCOUNT);
    let ecs = Ecs::new(Setup {
        key: ServiceKey::new("storefront", "production").expect("a key"),
        secrets: Arc::new(AwsSecrets::new(clients.clone())),
        clients,
        cluster: "main".into(),
        service: "storefront".into(),
        definition: Some(r#"{"launchType": "FARGATE"}"#.into()),
        clock: Arc::new(SystemClock),
    });
    let version = |tag: &str, command: &str| {
        let document = format!(
            r#"{{"family": "storefront", "containerDefinitions": [{{"name": "app", "image": "x"{command},
                "environment": [{{"name": "DATABASE_URL", "value": "postgres://127.0.0.1:1/shop"}},
                    {{"name": "STRIPE_API_KEY", "value": "contract"}}]}}]}}"#
        );
        release(&document, pushed.0.trim_end_matches(":1"), tag, image.digest.clone())
    };
    let deploy = async |release: &Release, from: Option<&RolloutId>, tasks: Option<u32>| {
        let revision = ecs.register(&fence(), release).await.expect("registered");
        let started = ecs.start(&fence(), from, &spec(release, &revision, tasks)).await.expect("started");
        let Started::Rollout(id) = started else { panic!("{started:?}") };
        let end = end_of(&ecs, &id).await;
        (id, end)
    };

    let good = version("1", "");
    let (first, end) = deploy(&good, None, Some(1)).await;
    assert_eq!(end, RolloutState::Succeeded);
    let observed = ecs.observe().await.expect("observed");
    assert_eq!(observed.set(&good.id).healthy().count(), 1, "{observed:#?}");
    assert_eq!(observed.set(&good.id).tasks[0].images["app"], image.digest);

    let bad = version("2", r#", "command": ["--no-such-flag"]"#);
    let (_, end) = deploy(&bad, Some(&first), None).await;
    let RolloutState::RolledBack { reason } = end else { panic!("{end:?}") };
    assert!(reason.contains("circuit breaker"), "{reason}");
    let failures = ecs.explain(&bad.id).await.expect("explained");
    assert!(failures.iter().any(|failure| failure.exit_code.is_some_and(|code| code != 0)), "{failures:?}");
    let observed = ecs.observe().await.expect("observed");
    assert_eq!(observed.set(&good.id).healthy().count(), 1, "{observed:#?}");
    assert_eq!(observed.set(&bad.id).live().count(), 0);

    while !ecs.withdraw(&fence()).await.expect("withdrawn") {
        SystemClock.sleep(Duration::from_millis(200)).await;
    }
}
