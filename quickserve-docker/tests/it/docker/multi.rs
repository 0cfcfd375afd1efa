//! Tasks of several containers.

use std::time::Duration;

use quickserve_core::orchestrator::{Health, Orchestrator as _, Standing, TaskPhase};
use quickserve_core::workload::{Condition, ContainerHealthCheck, Dependency, EndpointPort, Workload};

use super::support::{Stage, container, docker, fence, get_until_answered, ids, spec};

fn needs(container: &str, condition: Condition) -> Dependency {
    Dependency { container: container.into(), condition }
}

/// `migrate` runs to its end, then `app` serves, `db` is healthy before both.
fn shop(migrate: &[&str]) -> Workload {
    let mut workload = Workload::single("app");
    let mut app = container("app", &["get", "5432", "serve", "8080"]);
    app.depends_on = vec![needs("migrate", Condition::Success), needs("db", Condition::Healthy)];
    app.ports = vec![8080];
    let mut db = container("db", &["sleep", "200", "serve", "5432"]);
    db.health_check = Some(ContainerHealthCheck {
        command: vec!["CMD".into(), "/app".into(), "get".into(), "5432".into()],
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(2),
        retries: 30,
        start_period: Duration::ZERO,
    });
    let mut migrate = container("migrate", migrate);
    migrate.essential = false;
    migrate.depends_on = vec![needs("db", Condition::Healthy)];
    workload.containers = vec![app, db, migrate];
    workload.endpoint = Some(EndpointPort { container: "app".into(), port: 8080 });
    workload
}

#[tokio::test]
async fn containers_start_in_the_order_of_what_they_need_and_share_localhost() {
    let stage = Stage::new("order").await;
    let release = stage.release(shop(&["get", "5432", "sleep", "100", "exit", "0"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let first = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    assert_eq!(first.tasks[0].phase, TaskPhase::Starting);
    let set = stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    assert_eq!(ids(&set), ids(&first));
    assert_eq!(set.tasks[0].images.len(), 3);
    assert!(get_until_answered(set.tasks[0].address.expect("an address")).await.ends_with("ok"));
    // The application has no health check of its own: the database's decides.
    assert_eq!(set.tasks[0].health, Health::Healthy);

    let mut promoted = spec(&release, 1);
    promoted.standing = Standing::Promoted;
    let set = stage.sets().advance(&fence(1), &promoted).await.expect("an advance");
    assert_eq!(set.tasks[0].standing, Standing::Promoted);
    stage.doom(&ids(&set)).await;
    assert!(stage.containers().is_empty());
}

#[tokio::test]
async fn a_migration_that_fails_ends_the_task_and_is_named() {
    let stage = Stage::new("migrate").await;
    let release = stage.release(shop(&["err", "no such table", "exit", "4"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let set = stage.advance_until_ended(&spec(&release, 1)).await;
    let failures = stage.platform.explain(&release.id).await.expect("an explanation");
    assert_eq!((failures[0].container.as_str(), failures[0].exit_code), ("migrate", Some(4)));
    assert_eq!(failures[0].log_tail, ["no such table"]);
    let names = docker(&["ps", "-a", "--format", "{{.Names}}"]);
    let application =
        format!("qs-{}.{}-{:#}-0-1-app", stage.key.service(), stage.key.environment(), release.id);
    assert!(!names.contains(&application), "the application is never made: {names}");
    stage.doom(&ids(&set)).await;
    assert!(stage.containers().is_empty());
}

#[tokio::test]
async fn an_essential_container_ends_its_task_and_another_does_not() {
    let stage = Stage::new("essential").await;
    let mut workload = Workload::single("app");
    let mut job = container("job", &["exit", "7"]);
    job.essential = false;
    workload.containers = vec![container("app", &["sleep", "60000"]), job];
    let release = stage.release(workload.clone());
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let still = stage.platform.observe().await.expect("an observation").set(&release.id);
    assert_eq!(still.tasks[0].phase, TaskPhase::Running);

    workload.containers[1].essential = true;
    let release = stage.release(workload);
    stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    stage.observe_until(&release.id, "ended", |tasks| tasks[0].phase == TaskPhase::Ended).await;
    let failures = stage.platform.explain(&release.id).await.expect("an explanation");
    assert_eq!((failures[0].container.as_str(), failures[0].exit_code), ("job", Some(7)));
}

#[tokio::test]
async fn containers_stop_in_the_reverse_order() {
    let stage = Stage::new("reverse").await;
    let mut workload = Workload::single("app");
    let mut app = container("app", &["deaf", "sleep", "60000"]);
    app.depends_on = vec![needs("db", Condition::Start)];
    workload.containers = vec![app, container("db", &["sleep", "60000"])];
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let set = stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..3 {
        stage.sets().doom(&fence(1), &ids(&set)).await.expect("a doom");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let label = format!("label=dev.quickserve.service={}", stage.key.service());
    let running = docker(&["ps", "-q", "--filter", &label]);
    assert_eq!(running.lines().count(), 2, "the database waits for the application");
    stage.clock.skip(Duration::from_secs(3));
    stage.doom(&ids(&set)).await;
    assert!(stage.containers().is_empty());
}

#[tokio::test]
async fn a_container_that_waits_for_an_end_starts_whatever_the_end_was() {
    let stage = Stage::new("complete").await;
    let mut workload = Workload::single("app");
    let mut app = container("app", &["serve", "8080"]);
    app.depends_on = vec![needs("warm", Condition::Complete)];
    app.ports = vec![8080];
    let mut warm = container("warm", &["sleep", "300", "exit", "3"]);
    warm.essential = false;
    workload.containers = vec![app, warm];
    workload.endpoint = Some(EndpointPort { container: "app".into(), port: 8080 });
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let first = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    assert_eq!(first.tasks[0].phase, TaskPhase::Starting, "the end is awaited");
    let set = stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    assert!(get_until_answered(set.tasks[0].address.expect("an address")).await.ends_with("ok"));
}
