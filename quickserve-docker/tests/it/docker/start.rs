//! Starting tasks and reading them back.

use std::time::Duration;

use futures_util::future::join_all;
use quickserve_core::ErrorKind;
use quickserve_core::orchestrator::{Health, Orchestrator as _, Standing, TaskPhase};
use quickserve_core::workload::{ContainerHealthCheck, Mount, Tmpfs, Ulimit, Volume};

use super::support::{
    SECRET_VALUE, Stage, container, docker, fence, get, get_until_answered, ids, serving, sets, single, spec,
};

#[tokio::test]
async fn a_task_starts_answers_and_is_read_back() {
    let stage = Stage::new("start").await;
    let release = stage.release(serving(&["serve", "8080"]));
    let revision = stage.platform.register(&fence(1), &release).await.expect("a revision");
    assert_eq!(revision.0, release.id.to_string());
    let set = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    let [task] = set.tasks.as_slice() else { panic!("one task: {set:?}") };
    assert_eq!(task.phase, TaskPhase::Running);
    assert_eq!(task.health, Health::Unknown);
    assert_eq!(task.standing, Standing::Staged);
    assert_eq!(task.images, release.digests());
    assert_eq!((task.ordinal, task.epoch.0, task.restarts, task.doomed), (0, 1, 0, false));
    assert!(task.started.is_some());
    let answer = get_until_answered(task.address.expect("an address")).await;
    assert!(answer.ends_with("ok"), "{answer}");
    let observed = stage.another_process().observe().await.expect("an observation");
    assert_eq!(observed.set(&release.id), set);
}

#[tokio::test]
async fn repeated_and_concurrent_calls_make_no_more_than_asked() {
    let stage = Stage::new("idem").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let spec = spec(&release, 3);
    let other = sets(&stage.another_process());
    let ours = stage.sets();
    let fence = fence(1);
    let (a, b) = tokio::join!(ours.advance(&fence, &spec), other.advance(&fence, &spec));
    let again = ours.advance(&fence, &spec).await.expect("an advance");
    assert_eq!(stage.containers().len(), 3);
    assert_eq!(again.tasks.iter().map(|task| task.ordinal).collect::<Vec<_>>(), [0, 1, 2]);
    for answer in [a, b].into_iter().flatten() {
        // One that came while the other was at it may not have seen all yet.
        assert!(ids(&answer).iter().all(|id| ids(&again).contains(id)), "{answer:?} {again:?}");
    }
}

#[tokio::test]
async fn a_container_that_a_crash_left_unstarted_is_started_and_a_surplus_one_removed() {
    let stage = Stage::new("left").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let first = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    // What an owner leaves that died between making and starting: the same labels, another place.
    let inspect = docker(&["inspect", "--format", "{{json .Config.Labels}}", &stage.containers()[0]]);
    let labels: std::collections::BTreeMap<String, String> = serde_json::from_str(&inspect).expect("labels");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = (taken.local_addr().expect("an address").port(), taken);
    let create = |ordinal: &str| {
        let mut args = vec!["create".to_owned(), "-p".to_owned(), format!("127.0.0.1:{}:8080", taken.0)];
        for (name, value) in &labels {
            let value = match name.as_str() {
                "dev.quickserve.ordinal" => ordinal,
                "dev.quickserve.task" => &format!("left-{ordinal}"),
                _ => value,
            };
            args.extend(["--label".into(), format!("{name}={value}")]);
        }
        args.extend(["--name".into(), format!("{}-left-{ordinal}", stage.key.service())]);
        args.extend([stage.image.clone(), "serve".into(), "8080".into()]);
        docker(&args.iter().map(String::as_str).collect::<Vec<_>>());
    };
    create("1");
    // It even tried to start it, but its port is held by somebody else.
    let start = std::process::Command::new("docker")
        .args(["start", &format!("{}-left-1", stage.key.service())])
        .stderr(std::process::Stdio::null())
        .status();
    assert!(!start.expect("the docker client").success());
    let set = stage.sets().advance(&fence(1), &spec(&release, 2)).await.expect("an advance");
    assert_eq!(ids(&set), [ids(&first)[0].clone(), quickserve_core::orchestrator::TaskId("left-1".into())]);
    assert!(set.tasks.iter().all(|task| task.phase == TaskPhase::Running));
    assert!(set.tasks.iter().all(|task| task.address.is_some_and(|address| address.port() != taken.0)));
    create("2");
    let again = stage.sets().advance(&fence(1), &spec(&release, 2)).await.expect("an advance");
    assert_eq!(ids(&again), ids(&set));
    assert_eq!(stage.containers().len(), 2);
}

#[tokio::test]
async fn promotion_is_a_restart_policy_and_the_port_survives_a_restart() {
    let stage = Stage::new("promote").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let mut spec = spec(&release, 1);
    let staged = stage.sets().advance(&fence(1), &spec).await.expect("an advance");
    let policy =
        || docker(&["inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", &stage.containers()[0]]);
    assert_eq!(policy().trim(), "no");
    spec.standing = Standing::Promoted;
    let promoted = stage.sets().advance(&fence(1), &spec).await.expect("an advance");
    assert_eq!(promoted.tasks[0].standing, Standing::Promoted);
    assert_eq!(promoted.tasks[0].id, staged.tasks[0].id);
    assert_eq!(policy().trim(), "unless-stopped");
    let address = promoted.tasks[0].address.expect("an address");
    get_until_answered(address).await;
    get(address, "/die");
    let after = stage
        .observe_until(&release.id, "restarted", |tasks| {
            tasks[0].restarts > 0 && tasks[0].phase == TaskPhase::Running
        })
        .await;
    assert_eq!(after[0].address, Some(address));
    assert!(get_until_answered(address).await.ends_with("ok"));
}

#[tokio::test]
async fn a_lower_epoch_and_an_ended_lease_are_fenced() {
    let stage = Stage::new("fence").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(5), &release).await.expect("a revision");
    let set = stage.sets().advance(&fence(5), &spec(&release, 1)).await.expect("an advance");
    let taken_over = sets(&stage.another_process());
    let refused = taken_over.advance(&fence(4), &spec(&release, 2)).await.expect_err("fenced");
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    let refused = taken_over.doom(&fence(4), &ids(&set)).await.expect_err("fenced");
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    let mut late = fence(6);
    late.not_after = jiff::Timestamp::UNIX_EPOCH;
    let refused = sets(&stage.another_process()).advance(&late, &spec(&release, 2)).await.expect_err("late");
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    assert_eq!(stage.containers().len(), 1);
}

#[tokio::test]
async fn values_reach_the_container_and_nothing_else() {
    let stage = Stage::new("values").await;
    let mut workload = single(&[
        "env",
        "PASSWORD",
        "env",
        "PLAIN",
        "env",
        "QUICKSERVE_RELEASE",
        "env",
        "IMAGE_TAG",
        "env",
        "FROM_IMAGE",
        "sleep",
        "60000",
    ]);
    workload.containers[0].environment.insert("PLAIN".into(), "text".into());
    workload.containers[0].secrets.insert("PASSWORD".into(), "password".into());
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let set = stage.sets().advance(&fence(1), &spec(&release, 1)).await.expect("an advance");
    let id = &stage.containers()[0];
    let mut log = String::new();
    for _ in 0..50 {
        log = docker(&["logs", id]);
        if log.lines().count() == 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let expected = format!(
        "PASSWORD={SECRET_VALUE}\nPLAIN=text\nQUICKSERVE_RELEASE={}\nIMAGE_TAG=1.2.3\nFROM_IMAGE=1\n",
        release.id
    );
    assert_eq!(log, expected);
    let shown = docker(&["inspect", "--format", "{{json .Config.Labels}} {{.Name}} {{json .Args}}", id]);
    assert!(!shown.contains(SECRET_VALUE), "{shown}");
    let debug = format!("{set:?} {:?} {:?} {}", stage.platform, stage.engine, stage.platform);
    assert!(!debug.contains(SECRET_VALUE), "{debug}");
}

#[tokio::test]
async fn the_definition_reaches_the_container() {
    let stage = Stage::new("define").await;
    let mut workload = serving(&[]);
    let app = &mut workload.containers[0];
    app.entry_point = Some(vec!["/app".into(), "touch".into(), "/data/x".into()]);
    app.command = Some(vec!["touch".into(), "/scratch/x".into(), "serve".into(), "8080".into()]);
    app.user = Some("0:0".into());
    app.working_directory = Some("/tmp".into());
    app.read_only_root = true;
    app.init_process = true;
    app.shared_memory_mib = Some(8);
    app.memory_mib = Some(64);
    app.memory_reservation_mib = Some(32);
    app.cpu_units = Some(128);
    app.stop_timeout = Duration::from_millis(1500);
    app.labels.insert("team".into(), "shop".into());
    app.ulimits = vec![Ulimit { name: "nofile".into(), soft: 1000, hard: 2000 }];
    app.tmpfs = vec![Tmpfs { path: "/scratch".into(), size_mib: 4, options: vec!["noexec".into()] }];
    app.mounts = vec![
        Mount { volume: "data".into(), path: "/data".into(), read_only: false },
        Mount { volume: "host".into(), path: "/host".into(), read_only: true },
    ];
    app.health_check = Some(ContainerHealthCheck {
        command: vec!["CMD".into(), "/app".into(), "get".into(), "8080".into()],
        interval: Duration::from_millis(200),
        timeout: Duration::from_secs(2),
        retries: 2,
        start_period: Duration::ZERO,
    });
    workload.cpu_units = Some(512);
    workload.volumes = vec![
        Volume { name: "data".into(), host_path: None },
        Volume { name: "host".into(), host_path: Some(stage.folder.path().display().to_string()) },
    ];
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let set = stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    assert!(get_until_answered(set.tasks[0].address.expect("an address")).await.ends_with("ok"));
    stage.observe_until(&release.id, "healthy", |tasks| tasks[0].health == Health::Healthy).await;
    let format = "{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}} {{.HostConfig.NanoCpus}} \
                  {{.HostConfig.CpuShares}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Init}} {{.Config.User}} \
                  {{.Config.WorkingDir}} {{.Config.StopTimeout}} {{index .Config.Labels \"team\"}} \
                  {{.HostConfig.ShmSize}} {{json .HostConfig.Ulimits}} {{json .HostConfig.Tmpfs}} \
                  {{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config \"max-size\"}}";
    let shown = docker(&["inspect", "--format", format, &stage.containers()[0]]);
    let expected = "67108864 33554432 500000000 128 true true 0:0 /tmp 2 shop 8388608 \
                    [{\"Hard\":2000,\"Name\":\"nofile\",\"Soft\":1000}] {\"/scratch\":\"size=4m,noexec\"} json-file 10m";
    assert_eq!(shown.trim(), expected);
    let volume = format!("qs-{}.{}-data", stage.key.service(), stage.key.environment());
    assert!(docker(&["volume", "inspect", "--format", "{{json .Labels}}", &volume]).contains("managed"));
}

#[tokio::test]
async fn an_unhealthy_container_says_what_its_check_saw() {
    let stage = Stage::new("sick").await;
    let mut workload = single(&["sleep", "60000"]);
    workload.containers[0].health_check = Some(ContainerHealthCheck {
        command: vec![
            "CMD".into(),
            "/app".into(),
            "say".into(),
            "no database".into(),
            "exit".into(),
            "1".into(),
        ],
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(2),
        retries: 1,
        start_period: Duration::ZERO,
    });
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    let sick = Health::Unhealthy("no database".into());
    stage.observe_until(&release.id, "unhealthy", |tasks| tasks[0].health == sick).await;
}

#[tokio::test]
async fn services_find_each_other_by_name() {
    let stage = Stage::new("name").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    let service = stage.key.service().to_owned();
    let of_release = format!("{:#}.{service}", release.id);
    let looks =
        stage.release(single(&["host", &service, "host", &of_release, "say", "found", "sleep", "60000"]));
    let set = stage.advance_until(&spec(&looks, 1), TaskPhase::Running).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let now = stage.platform.observe().await.expect("an observation").set(&looks.id);
    assert_eq!(
        now.tasks[0].phase,
        TaskPhase::Running,
        "{:?} {:?}",
        set,
        stage.platform.explain(&looks.id).await
    );
}

#[tokio::test]
async fn a_network_that_went_away_is_made_again() {
    let stage = Stage::new("net").await;
    let release = stage.release(serving(&["serve", "8080"]));
    // Never registered in this process, so there is no network yet.
    let spec = spec(&release, 2);
    let fence = fence(1);
    // Of many that make it at once, one is let to, and some look before the engine shows what that one made.
    let many: Vec<_> = (0..12).map(|_| sets(&stage.another_process())).collect();
    let advanced = join_all(many.iter().map(|sets| sets.advance(&fence, &spec))).await;
    assert!(advanced.iter().all(Result::is_ok), "{advanced:?}");
    let set = stage.advance_until(&spec, TaskPhase::Running).await;
    assert_eq!(set.tasks.len(), 2);
    let name = format!("name=quickserve-{}", stage.key.environment());
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &name]).lines().count(), 1);
}

#[tokio::test]
async fn an_image_that_is_gone_is_not_found() {
    let stage = Stage::new("gone").await;
    let mut release = (*stage.release(single(&["exit", "0"]))).clone();
    for image in release.images.values_mut() {
        image.digest = quickserve_core::release::Digest::of(b"nothing");
    }
    let error = stage.platform.register(&fence(1), &release).await.expect_err("no image");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&stage.image), "{error}");
    let mut workload = single(&["exit", "0"]);
    workload.containers.push(container("other", &["exit", "0"]));
    workload.containers[1].depends_on = vec![quickserve_core::workload::Dependency {
        container: "app".into(),
        condition: quickserve_core::workload::Condition::Healthy,
    }];
    let release = stage.release(workload);
    let error = stage.platform.register(&fence(1), &release).await.expect_err("no health check");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_named_volume_keeps_its_data_from_one_release_to_the_next() {
    let stage = Stage::new("keep").await;
    let with = |command: &[&str]| {
        let mut workload = single(command);
        workload.containers[0].mounts =
            vec![Mount { volume: "data".into(), path: "/data".into(), read_only: false }];
        workload.volumes = vec![Volume { name: "data".into(), host_path: None }];
        stage.release(workload)
    };
    let writes = with(&["touch", "/data/kept", "sleep", "60000"]);
    stage.platform.register(&fence(1), &writes).await.expect("a revision");
    let set = stage.advance_until(&spec(&writes, 1), TaskPhase::Running).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    stage.doom(&ids(&set)).await;
    let reads = with(&["has", "/data/kept", "say", "found", "sleep", "60000"]);
    stage.advance_until(&spec(&reads, 1), TaskPhase::Running).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let now = stage.platform.observe().await.expect("an observation").set(&reads.id);
    assert_eq!(now.tasks[0].phase, TaskPhase::Running, "{:?}", stage.platform.explain(&reads.id).await);
}

#[tokio::test]
async fn ten_tasks_start_and_end_at_once() {
    let stage = Stage::new("ten").await;
    let release = stage.release(serving(&["serve", "8080"]));
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    let set = stage.advance_until(&spec(&release, 10), TaskPhase::Running).await;
    let mut ports: Vec<_> = set.tasks.iter().filter_map(|task| task.address).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 10, "each has a port of its own");
    stage.doom(&ids(&set)).await;
    assert!(stage.containers().is_empty());
}
