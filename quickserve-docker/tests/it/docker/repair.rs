//! Promoted tasks that the engine alone does not bring back whole.

use std::sync::Arc;

use quickserve_core::orchestrator::{Health, Orchestrator as _, SetState, Standing, TaskPhase};
use quickserve_core::release::Release;
use quickserve_core::workload::{EndpointPort, Workload};
use quickserve_docker::keeper::mend;

use super::support::{Stage, container, docker, fence, get, get_until_answered, spec};

/// `app` holds the network, `side` joins it.
fn pair(stage: &Stage) -> Arc<Release> {
    let mut workload = Workload::single("app");
    let mut app = container("app", &["serve", "8080"]);
    app.ports = vec![8080];
    workload.containers = vec![app, container("side", &["get", "8080", "sleep", "60000"])];
    workload.endpoint = Some(EndpointPort { container: "app".into(), port: 8080 });
    stage.release(workload)
}

async fn running(stage: &Stage, release: &Arc<Release>, standing: Standing) -> SetState {
    stage.platform.register(&fence(1), release).await.expect("a revision");
    let mut spec = spec(release, 1);
    spec.standing = standing;
    stage.advance_until(&spec, TaskPhase::Running).await
}

/// The engine's names of both containers: `app`, then `side`.
fn names(stage: &Stage) -> [String; 2] {
    ["app", "side"].map(|name| {
        let (service, container) = (stage.key.service(), name);
        let of = format!("label=dev.quickserve.service={service}");
        let named = format!("label=dev.quickserve.container={container}");
        docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &of, "--filter", &named]).trim().to_owned()
    })
}

#[tokio::test]
async fn a_container_that_lost_its_network_is_unhealthy_until_it_is_mended() {
    let stage = Stage::new("cut").await;
    let release = pair(&stage);
    let set = running(&stage, &release, Standing::Promoted).await;
    let address = set.tasks[0].address.expect("an address");
    get_until_answered(address).await;
    assert_eq!(mend(&stage.engine, &stage.key).await.expect("a look"), Vec::<String>::new());

    get(address, "/die");
    let cut = Health::Unhealthy("container side lost its network when app restarted".into());
    stage.observe_until(&release.id, "cut off", |tasks| tasks[0].health == cut).await;
    let [_, side] = names(&stage);
    assert_eq!(mend(&stage.engine, &stage.key).await.expect("a remedy"), [side]);
    let whole = stage.observe_until(&release.id, "whole", |tasks| tasks[0].health != cut).await;
    assert_eq!((whole[0].phase, whole[0].address), (TaskPhase::Running, Some(address)));
    // It reaches localhost again, else it would have ended.
    assert_eq!(mend(&stage.engine, &stage.key).await.expect("a look"), Vec::<String>::new());
}

#[tokio::test]
async fn a_container_that_a_reboot_tried_too_early_is_started_once_its_network_is_there() {
    let stage = Stage::new("boot").await;
    let release = pair(&stage);
    let set = running(&stage, &release, Standing::Promoted).await;
    let [app, side] = names(&stage);
    docker(&["kill", &app, &side]);
    // As an engine that starts may do: in any order, once.
    let early = std::process::Command::new("docker").args(["start", &side]).output().expect("docker");
    assert!(!early.status.success(), "the network's holder does not run yet");
    docker(&["start", &app]);
    assert_eq!(mend(&stage.engine, &stage.key).await.expect("a remedy"), [side]);
    let tasks =
        stage.observe_until(&release.id, "running", |tasks| tasks[0].phase == TaskPhase::Running).await;
    assert_eq!(tasks[0].id, set.tasks[0].id);
    get_until_answered(tasks[0].address.expect("an address")).await;
}

#[tokio::test]
async fn what_a_person_has_stopped_and_what_is_staged_stays_as_it_is() {
    let stage = Stage::new("leave").await;
    let release = pair(&stage);
    running(&stage, &release, Standing::Staged).await;
    let [app, side] = names(&stage);
    docker(&["restart", "--time", "0", &app]);
    assert_eq!(mend(&stage.engine, &stage.key).await.expect("a look"), Vec::<String>::new(), "it is staged");

    running(&stage, &release, Standing::Promoted).await;
    docker(&["stop", "--time", "0", &side]);
    assert_eq!(
        mend(&stage.engine, &stage.key).await.expect("a look"),
        Vec::<String>::new(),
        "it was stopped"
    );
}
