//! Stopping tasks, and why they failed.

use std::time::Duration;

use quickserve_core::orchestrator::{Orchestrator as _, Standing, TaskFailure, TaskPhase};

use super::support::{Stage, docker, fence, ids, serving, sets, single, spec};

#[tokio::test]
async fn a_crash_at_start_is_explained_with_its_log() {
    let stage = Stage::new("crash").await;
    let release = stage.release(single(&[
        "say",
        "starting",
        "err",
        "\u{1b}[31mDB_HOST is missing\u{1b}[0m",
        "exit",
        "3",
    ]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let set = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    stage.observe_until(&release.id, "ended", |tasks| tasks[0].phase == TaskPhase::Ended).await;
    let check = |failures: Vec<TaskFailure>| {
        let [failure] = failures.as_slice() else { panic!("one failure: {failures:?}") };
        assert_eq!(failure.task, set.tasks[0].id);
        assert_eq!((failure.container.as_str(), failure.reason.as_str()), ("app", "exited 3"));
        assert_eq!((failure.exit_code, failure.out_of_memory), (Some(3), false));
        let mut log = failure.log_tail.clone();
        log.sort();
        assert_eq!(log, ["DB_HOST is missing", "starting"]);
        assert!(failure.ended.is_some());
    };
    check(stage.platform.explain(&release.id).await.expect("an explanation"));
    stage.doom(&ids(&set)).await;
    assert!(stage.containers().is_empty());
    check(stage.platform.explain(&release.id).await.expect("an explanation"));
    assert!(stage.another_process().explain(&release.id).await.expect("an explanation").is_empty());
}

#[tokio::test]
async fn an_ended_task_is_replaced_under_another_name() {
    let stage = Stage::new("again").await;
    let release = stage.release(single(&["exit", "1"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let first = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    stage.observe_until(&release.id, "ended", |tasks| tasks[0].phase == TaskPhase::Ended).await;
    let second = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    assert_eq!(second.tasks.len(), 2);
    stage.doom(&ids(&second)).await;
    let third = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    assert!(!ids(&second).contains(&ids(&third)[0]), "{first:?} {second:?} {third:?}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_explained() {
    let stage = Stage::new("nope").await;
    let mut workload = single(&[]);
    workload.containers[0].entry_point = Some(vec!["/nope".into()]);
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let set = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    assert_eq!(set.tasks[0].phase, TaskPhase::Ended);
    let failures = stage.platform.explain(&release.id).await.expect("an explanation");
    assert_eq!(failures[0].reason, "could not start: exec: \"/nope\": stat /nope: no such file or directory");
    assert_eq!(failures[0].exit_code, None);
}

#[tokio::test]
async fn running_out_of_memory_is_told_of() {
    let stage = Stage::new("oom").await;
    let mut workload = single(&["eat"]);
    workload.containers[0].memory_mib = Some(16);
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    stage.observe_until(&release.id, "ended", |tasks| tasks[0].phase == TaskPhase::Ended).await;
    let failures = stage.platform.explain(&release.id).await.expect("an explanation");
    let TaskFailure { reason, out_of_memory, .. } = &failures[0];
    // Where the engine did not hear why it was killed, the limit is named as what it may be.
    let told = if *out_of_memory { "ran out of memory (limit 16 MiB)" } else { "memory: limit 16 MiB)" };
    assert!(reason.ends_with(told), "{failures:?}");
}

#[tokio::test]
async fn what_somebody_kills_did_not_run_out_of_memory() {
    let stage = Stage::new("killed").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    docker(&["kill", &stage.containers()[0]]);
    stage.observe_until(&release.id, "ended", |tasks| tasks[0].phase == TaskPhase::Ended).await;
    let failures = stage.platform.explain(&release.id).await.expect("an explanation");
    assert_eq!(failures[0].reason, "exited 137 (killed by SIGKILL)");
    assert!(!failures[0].out_of_memory);
}

#[tokio::test]
async fn a_task_that_hears_sigterm_ends_at_once_and_leaves_nothing() {
    let stage = Stage::new("stop").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let mut spec = spec(&release, 2);
    spec.standing = Standing::Promoted;
    let set = stage.sets().advance(&fence(1), &spec).await.expect("an advance");
    let left = stage.sets().doom(&fence(1), &ids(&set)[..1]).await.expect("a doom");
    assert!(left.iter().all(|task| task.doomed && task.standing == Standing::Staged), "{left:?}");
    stage.doom(&ids(&set)[..1]).await;
    assert_eq!(stage.containers().len(), 1);
    stage.doom(&ids(&set)).await;
    assert!(stage.containers().is_empty());
    assert!(stage.platform.explain(&release.id).await.expect("no failure").is_empty());
}

#[tokio::test]
async fn a_task_deaf_to_sigterm_is_killed_after_its_stop_timeout() {
    let stage = Stage::new("deaf").await;
    let mut workload = single(&["deaf", "sleep", "60000"]);
    workload.containers[0].stop_timeout = Duration::from_secs(30);
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let set = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    tokio::time::sleep(Duration::from_millis(100)).await;
    for skip in [0, 29] {
        stage.clock.skip(Duration::from_secs(skip));
        let left = stage.sets().doom(&fence(1), &ids(&set)).await.expect("a doom");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(left[0].phase, TaskPhase::Running);
    }
    stage.clock.skip(Duration::from_secs(1));
    let left = stage.sets().doom(&fence(1), &ids(&set)).await.expect("a doom");
    assert!(left[0].killed, "it is told that it had to be killed");
    assert!(stage.doom(&ids(&set)).await < 100);
    assert!(stage.containers().is_empty());
}

#[tokio::test]
async fn a_doomed_task_stays_doomed_for_another_process() {
    let stage = Stage::new("doomed").await;
    let mut workload = single(&["deaf", "sleep", "60000"]);
    workload.containers[0].stop_timeout = Duration::from_secs(1);
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let spec = spec(&release, 1);
    let set = stage.sets().advance(&fence(1), &spec).await.expect("an advance");
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.sets().doom(&fence(1), &ids(&set)).await.expect("a doom");
    let other = stage.another_process();
    let seen = other.observe().await.expect("an observation").set(&release.id);
    assert!(seen.tasks[0].doomed);
    let next = sets(&other).advance(&fence(2), &spec).await.expect("an advance");
    assert_eq!(next.live().count(), 1);
    assert_ne!(next.live().next().map(|task| &task.id), Some(&set.tasks[0].id));
}

#[tokio::test]
async fn a_task_that_the_plan_has_doomed_is_replaced_while_it_still_runs() {
    let stage = Stage::new("planned").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let mut spec = spec(&release, 1);
    let first = stage.sets().advance(&fence(1), &spec).await.expect("an advance");
    spec.doomed.extend(ids(&first));
    for _ in 0..2 {
        let both = stage.sets().advance(&fence(1), &spec).await.expect("an advance");
        assert_eq!(both.tasks.len(), 2, "{both:?}");
        assert!(both.tasks.iter().all(|task| task.phase == TaskPhase::Running && !task.doomed), "{both:?}");
    }
}

#[tokio::test]
async fn a_container_that_restarts_for_ever_can_be_doomed() {
    let stage = Stage::new("loop").await;
    let release = stage.release(single(&["sleep", "100", "exit", "5"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let mut spec = spec(&release, 1);
    spec.standing = Standing::Promoted;
    let set = stage.sets().advance(&fence(1), &spec).await.expect("an advance");
    let seen = stage
        .observe_until(&release.id, "restarting", |tasks| {
            tasks[0].restarts > 2 && tasks[0].phase == TaskPhase::Starting
        })
        .await;
    assert_eq!(
        seen[0].health,
        quickserve_core::orchestrator::Health::Unhealthy("container app exited 5 and is restarted".into())
    );
    assert!(stage.doom(&ids(&set)).await < 100);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(stage.containers().is_empty());
}

#[tokio::test]
async fn what_does_not_exist_is_doomed_already() {
    let stage = Stage::new("none").await;
    let ghost = quickserve_core::orchestrator::TaskId("ghost".into());
    assert!(stage.sets().doom(&fence(1), &[ghost]).await.expect("a doom").is_empty());
}
