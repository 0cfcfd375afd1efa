//! The everyday acts: scale, restart, run and exec.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use quickserve_tests::quickserve;

use crate::support::{Shop, docker, snapshot};

/// Ids of the service's containers, running or not.
fn containers(shop: &Shop) -> Vec<String> {
    let filter = format!("label=dev.quickserve.service={}", shop.service);
    docker(&["ps", "--all", "--quiet", "--filter", &filter]).lines().map(str::to_owned).collect()
}

#[test]
fn a_service_is_scaled_and_restarted_and_no_request_is_lost() {
    let shop = Shop::with_images(&["1", "2"]);
    snapshot("scale_nothing", &shop.run(&["scale", "2"]));
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);

    let (done, failed) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut asked = 0_u32;
            while !done.load(Ordering::Relaxed) {
                asked += 1;
                if !shop.get("/version").is_ok_and(|(status, _)| status == 200) {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            asked
        });
        snapshot("scale_up", &shop.run(&["scale", "3"]));
        let before = containers(&shop);
        snapshot("restart", &shop.run(&["restart"]));
        let after = containers(&shop);
        assert_eq!(after.len(), 3);
        assert!(after.iter().all(|id| !before.contains(id)), "each task is a fresh one");
        let stopped = after[0].clone();
        docker(&["stop", "--time", "1", &stopped]);
        let status = shop.run(&["status"]).stdout;
        assert!(status.contains("alone, 2 of 3 tasks"), "{status}");
        docker(&["start", &stopped]);
        snapshot("scale_down", &shop.run(&["scale", "2"]));
        done.store(true, Ordering::Relaxed);
        assert!(load.join().expect("the load") > 20, "there was load");
    });
    assert_eq!(failed.load(Ordering::Relaxed), 0, "requests were lost");

    // A deployment keeps the count, until quickserve.toml asks for another.
    shop.ends(0, &["deploy", "--image", &shop.image("2")]);
    assert_eq!(containers(&shop).len(), 2);
    snapshot("scale_same", &shop.run(&["scale", "2"]));
    snapshot("scale_to_nothing", &shop.run(&["scale", "0"]));
    assert_eq!(shop.get("/version").expect("an answer").0, 503);
    snapshot("scale_to_nothing_status", &shop.run(&["status"]));
    shop.ends(0, &["restart"]);
    snapshot("scale_too_many", &shop.run(&["scale", "1000"]));
    shop.ends(0, &["scale", "1"]);
    assert_eq!(shop.version(), "2");
}

#[test]
fn a_worker_without_a_port_is_scaled_and_restarted() {
    let shop = Shop::with_images(&["1"]);
    let text = format!(
        "service = \"{}\"\nhealth_check = {{ stays = \"300ms\" }}\n[deploy]\nbake_time = \"300ms\"\n\
         [environments.local]\nenv_file = \".env\"\n",
        shop.service
    );
    shop.write("quickserve.toml", &text);
    for command in [&["deploy", "--image", &shop.image("1")][..], &["scale", "3"]] {
        let ran = shop.run(command);
        assert_eq!(ran.code, 0, "{ran}");
    }
    let before = containers(&shop);
    assert_eq!(before.len(), 3);
    let ran = shop.run(&["restart"]);
    assert_eq!(ran.code, 0, "{ran}");
    let after = containers(&shop);
    assert!(after.len() == 3 && after.iter().all(|id| !before.contains(id)));
    let ran = shop.run(&["scale", "0"]);
    assert_eq!((ran.code, containers(&shop).len()), (0, 0), "{ran}");
}

#[test]
fn commands_beside_the_tasks_pass_output_and_exit_code_on_and_leave_nothing() {
    let shop = Shop::with_images(&["1"]);
    snapshot("run_nothing", &shop.run(&["run", "--", "healthcheck"]));
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    // In a task there is a server to ask, in a container of its own there is none.
    snapshot("exec_passes", &shop.run(&["exec", "--", "/storefront", "healthcheck"]));
    snapshot("run_fails", &shop.run(&["run", "--", "healthcheck"]));
    snapshot("run_json", &shop.run(&["run", "--format", "json", "--", "healthcheck"]));
    snapshot("run_no_program", &shop.run(&["run", "--entry-point", "/nope"]));
    snapshot("run_no_command", &shop.run(&["run"]));
    snapshot("exec_no_task", &shop.run(&["exec", "--task", "nowhere", "--", "/storefront"]));
    snapshot("history_all", &shop.run(&["history", "--all"]));
    assert_eq!(containers(&shop).len(), 1, "only the task is left");
}

#[test]
fn a_one_off_command_that_is_interrupted_ends_as_it_asks_to_and_is_removed() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let command = ["run", "--entry-point", "/storefront"];
    let child = shop.start(&command);
    while containers(&shop).len() < 2 {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    let ran = shop.ran(&command, &child.wait_with_output().expect("an end"));
    // How much of its output still comes is up to the engine.
    assert_eq!(ran.code, 130, "{ran}");
    assert!(ran.stderr.contains("error: interrupted before the command had ended"), "{ran}");
    assert_eq!(containers(&shop).len(), 1);
}

#[test]
fn at_a_terminal_the_command_has_it_for_itself() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let inner = format!("{} exec -- /storefront nonsense", quickserve().display());
    // Nobody types, and the keyboard is there to the end: script would type the end of its input.
    let (keyboard, typist) = std::io::pipe().expect("a pipe");
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &inner, "/dev/null"])
        .env_clear()
        .env("QUICKSERVE_STATE_DIR", shop.state())
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .current_dir(shop.path())
        .stdin(keyboard)
        .output()
        .expect("the command script, of util-linux");
    drop(typist);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert_eq!(shown, "usage: storefront [healthcheck]\r\n", "and nothing is drawn over it");
}
