//! Commands beside the tasks: in one of them, and in a container of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use quickserve_core::ErrorKind;
use quickserve_core::clock::SystemClock;
use quickserve_core::journal::{Liveness, Process};
use quickserve_core::orchestrator::{Orchestrator as _, TaskPhase};
use quickserve_core::release::Release;
use quickserve_docker::{Exec, OneOff, Output, Running};
use tokio::io::AsyncWriteExt as _;

use super::support::{SECRET_VALUE, Stage, docker, fence, serving, spec};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

async fn promoted(stage: &Stage) -> Arc<Release> {
    let mut workload = serving(&["serve", "8080"]);
    workload.containers[0].secrets.insert("TOKEN".into(), "token".into());
    workload.containers[0].environment.insert("COLOUR".into(), "blue".into());
    let release = stage.release(workload);
    stage.platform.register(&fence(1), &release).await.expect("a revision");
    stage.advance_until(&spec(&release, 1), TaskPhase::Running).await;
    release
}

/// What it writes to its end, and its exit code.
async fn ended(mut running: Running) -> (String, String, i64) {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    while let Some(output) = running.output.next().await {
        match output.expect("output") {
            Output::Stdout(bytes) => stdout += &String::from_utf8_lossy(&bytes),
            Output::Stderr(bytes) => stderr += &String::from_utf8_lossy(&bytes),
        }
    }
    (stdout, stderr, running.handle().exit_code().await.expect("a code"))
}

#[tokio::test]
async fn a_one_off_command_has_variables_secrets_and_the_network_of_its_release_and_is_removed() {
    let stage = Stage::new("oneoff").await;
    let release = promoted(&stage).await;
    let service = stage.key.service();
    let command = words(&["env", "COLOUR", "env", "TOKEN", "host", service, "err", "done", "exit", "7"]);
    let one_off = OneOff { command, ..OneOff::default() };
    let running = stage.platform.run(&release, &one_off).await.expect("a command");
    let handle = running.handle();
    let (stdout, stderr, code) = ended(running).await;
    assert_eq!(stdout, format!("COLOUR=blue\nTOKEN={SECRET_VALUE}\n"));
    assert_eq!((stderr.as_str(), code), ("done\n", 7));
    // It is no task, and nobody finds it by the service's name.
    let observed = stage.platform.observe().await.expect("an observation");
    assert_eq!(observed.set(&release.id).tasks.len(), 1);
    handle.remove().await.expect("a removal");
    assert_eq!(stage.containers().len(), 1, "only the task is left");
}

/// Of all processes only the first lives.
#[derive(Debug)]
struct OnlyFirst;

impl Liveness for OnlyFirst {
    fn check(&self, process: &Process) -> Option<bool> {
        Some(process.pid == 1)
    }

    fn restarted(&self, _: &Process) -> Option<Timestamp> {
        None
    }
}

#[tokio::test]
async fn a_one_off_command_is_stopped_and_what_a_dead_caller_left_is_removed() {
    let stage = Stage::new("stopoff").await;
    let release = promoted(&stage).await;
    let caller = |pid| Some(Process { boot: "this".into(), pid, started: 0, machine: None });
    let mut handles = Vec::new();
    for pid in [1, 2] {
        let command = words(&["sleep", "60000"]);
        let sleeping = OneOff { command, caller: caller(pid), ..OneOff::default() };
        let running = stage.platform.run(&release, &sleeping).await.expect("a command");
        running.handle().stop().await.expect("a stop");
        handles.push(running.handle());
    }
    assert_eq!(stage.containers().len(), 3);
    stage.platform.remove_left_commands(&OnlyFirst, &SystemClock).await.expect("a removal");
    assert_eq!(stage.containers().len(), 2, "the living caller still reads");
    for handle in handles {
        handle.remove().await.expect("a removal, or none");
    }
    let quick = OneOff { command: words(&["exit", "0"]), ..OneOff::default() };
    let running = stage.platform.run(&release, &quick).await.expect("a command");
    running.handle().exit_code().await.expect("a code");
    stage.platform.remove_left_commands(&OnlyFirst, &SystemClock).await.expect("a removal");
    assert_eq!(stage.containers().len(), 2, "nobody knows whether somebody still reads");
    running.handle().remove().await.expect("a removal");
    assert_eq!(stage.containers().len(), 1);

    let missing = OneOff { entry_point: Some("/nope".into()), ..OneOff::default() };
    let error = stage.platform.run(&release, &missing).await.expect_err("no program");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("/nope"), "{error}");
    assert_eq!(stage.containers().len(), 1, "nothing of it is left");
    let stranger = OneOff { container: Some("ap".into()), ..quick };
    let error = stage.platform.run(&release, &stranger).await.expect_err("no container");
    assert_eq!(error.hint(), Some("did you mean app"));
}

#[tokio::test]
async fn a_one_off_command_that_its_caller_never_started_is_removed_once_the_caller_is_dead() {
    let stage = Stage::new("createdoff").await;
    let release = promoted(&stage).await;
    // As a caller leaves it that dies before the start: made by the same words, and not started.
    let caller = Some(Process { boot: "this".into(), pid: 1, started: 0, machine: None });
    let one_off = OneOff { command: words(&["exit", "0"]), caller, ..OneOff::default() };
    let running = stage.platform.run(&release, &one_off).await.expect("a command");
    running.handle().exit_code().await.expect("a code");
    let task = stage.containers().pop().expect("the task");
    let made = stage.containers().into_iter().find(|id| *id != task).expect("the command's");
    let labels = docker(&["inspect", "--format", "{{json .Config.Labels}}", &made]);
    let labels: BTreeMap<String, String> = serde_json::from_str(&labels).expect("labels");
    running.handle().remove().await.expect("a removal");
    for pid in [1, 2] {
        let mut arguments = vec!["create".to_owned()];
        for (name, value) in &labels {
            let value = if name.ends_with(".caller") {
                value.replace("\"pid\":1", &format!("\"pid\":{pid}"))
            } else {
                value.clone()
            };
            arguments.extend(["--label".to_owned(), format!("{name}={value}")]);
        }
        arguments.push(stage.image.clone());
        docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(stage.containers().len(), 3);
    stage.platform.remove_left_commands(&OnlyFirst, &SystemClock).await.expect("a removal");
    let left = stage.containers();
    assert_eq!(left.len(), 2, "the living caller is about to start it");
    let callers: Vec<String> = left
        .iter()
        .map(|id| docker(&["inspect", "--format", "{{index .Config.Labels \"dev.quickserve.caller\"}}", id]))
        .collect();
    assert!(callers.iter().any(|caller| caller.contains("\"pid\":1")), "{callers:?}");
}

#[tokio::test]
async fn a_command_runs_in_a_task_and_its_input_ends() {
    let stage = Stage::new("exec").await;
    let release = promoted(&stage).await;
    let exec = Exec {
        command: words(&["/app", "get", "8080", "say", "same localhost", "exit", "4"]),
        task: Some("0".into()),
        input: true,
        ..Exec::default()
    };
    let place = stage.platform.find_task(&release, &exec).await.expect("a task");
    let mut running = stage.platform.exec(&place, &exec).await.expect("a command");
    running.input.shutdown().await.expect("an end of input");
    assert_eq!(ended(running).await, ("same localhost\n".into(), String::new(), 4));

    let wrong = Exec { task: Some("nowhere".into()), ..exec };
    let error = stage.platform.find_task(&release, &wrong).await.expect_err("no such task");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    docker(&["kill", &stage.containers()[0]]);
    let error = stage.platform.find_task(&release, &Exec::default()).await.expect_err("no task");
    assert_eq!(error.kind(), ErrorKind::Conflict);
}
