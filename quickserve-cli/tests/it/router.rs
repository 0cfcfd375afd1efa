//! The router's own commands.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

#[cfg(target_os = "linux")]
use crate::support::Ran;
use crate::support::{Shop, snapshot};

/// A router that runs; stopped when dropped.
struct Running<'a>(&'a Shop, std::process::Child);

impl<'a> Running<'a> {
    fn start(shop: &'a Shop) -> Self {
        Self::start_by(shop, &quickserve_tests::quickserve())
    }

    /// As commands of every version have started it.
    fn start_by(shop: &'a Shop, executable: &Path) -> Self {
        let state = shop.state().display().to_string();
        let mut command = shop.command_of(executable, &["--state-dir", &state, "router", "run"]);
        std::fs::create_dir_all(shop.state().join("router")).expect("a folder");
        let log = std::fs::File::create(shop.state().join("router/router.log")).expect("a log");
        let child = command.stderr(log).spawn().expect("a process");
        let running = Self(shop, child);
        running.wait_for("it runs", |status| status["running"] == true);
        running
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.0.run(&["router", "status", "--format", "json"]).stdout).expect("JSON")
    }

    fn wait_for(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..500 {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("never: {what}: {}", self.status());
    }

    /// What its parent and its worker run.
    #[cfg(target_os = "linux")]
    fn executables(&self) -> [PathBuf; 2] {
        let status = &self.status()["status"];
        [&status["supervision"]["pid"], &status["pid"]]
            .map(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).expect("an executable"))
    }

    #[cfg(target_os = "linux")]
    fn upgrade_by(&self, executable: &Path) -> Ran {
        let arguments = ["router", "upgrade"];
        let ran = self.0.command_of(executable, &arguments).output().expect("a run");
        self.0.ran(&arguments, &ran)
    }

    /// Kills a process of the router's, at once.
    fn kill(pid: &Value) {
        let pid = i32::try_from(pid.as_i64().expect("a number")).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.0.command(&["router", "stop", "--force"]).output();
        let _ = self.1.wait();
    }
}

#[test]
fn a_router_is_supervised_upgraded_and_shows_its_log() {
    let shop = Shop::empty();
    let router = Running::start(&shop);
    let before = router.status();
    assert_eq!(before["status"]["supervision"]["pid"], router.1.id());
    snapshot("router_status", &shop.run(&["router", "status"]));
    snapshot("router_upgrade", &shop.run(&["router", "upgrade"]));
    let after = router.status();
    assert_ne!(before["status"]["pid"], after["status"]["pid"]);
    assert_eq!(before["status"]["supervision"]["pid"], after["status"]["supervision"]["pid"]);

    Running::kill(&after["status"]["pid"]);
    router.wait_for("its death is noticed", |status| status["status"]["supervision"]["deaths"] == 1);
    snapshot("router_status_died", &shop.run(&["router", "status"]));
    let log = shop.run(&["router", "logs", "-n", "3"]);
    assert_eq!((log.code, log.stdout.lines().count()), (0, 3), "{log}");
    assert!(shop.run(&["router", "logs"]).stdout.contains("a worker died"), "{log}");
    snapshot("router_bad_drain", &shop.run(&["router", "upgrade", "--drain", "soon"]));
    snapshot("router_stopped", &shop.run(&["router", "stop"]));
}

#[test]
fn a_router_that_lost_its_parent_says_so_and_gets_another() {
    let shop = Shop::empty();
    let mut router = Running::start(&shop);
    let before = router.status();
    Running::kill(&before["status"]["supervision"]["pid"]);
    router.1.wait().expect("its end");
    router.wait_for("it knows", |status| status["status"]["supervision"].is_null());
    snapshot("router_status_orphan", &shop.run(&["router", "status"]));
    snapshot("router_upgrade_orphan", &shop.run(&["router", "upgrade"]));
    let after = router.status();
    assert!(after["status"]["supervision"]["pid"].is_number(), "{after}");
    assert_ne!(before["status"]["pid"], after["status"]["pid"]);
}

#[test]
fn a_second_router_in_the_same_folder_is_refused() {
    let shop = Shop::empty();
    let _router = Running::start(&shop);
    snapshot("router_run_twice", &shop.run(&["router", "run"]));
}

#[test]
fn without_a_router_there_is_nothing_to_upgrade_and_no_log() {
    let shop = Shop::empty();
    snapshot("router_upgrade_nothing", &shop.run(&["router", "upgrade"]));
    snapshot("router_logs_nothing", &shop.run(&["router", "logs"]));
    snapshot("router_worker_by_hand", &shop.run(&["router", "worker"]));
}

#[cfg(target_os = "linux")]
#[test]
fn the_unit_is_shown() {
    let shop = Shop::empty();
    let home = shop.path().display().to_string();
    let ran = shop.run_with(&[("HOME", &home)], &["router", "install", "--print"]);
    assert_eq!(ran.code, 0, "{ran}");
    // Where it goes, and so what wants it, depends on who runs the tests.
    let text = ran.stdout.replace("multi-user.target", "default.target");
    let text = text.replace(&quickserve_tests::quickserve().display().to_string(), "/usr/bin/quickserve");
    insta::assert_snapshot!(
        "router_unit",
        text.replace(&shop.state().display().to_string(), "/folder/state")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn both_processes_run_the_executable_of_the_routers_own() {
    let shop = Shop::empty();
    let router = Running::start(&shop);
    let own = quickserve_tests::quickserve().with_file_name("quickserve-router");
    assert_eq!(router.executables(), [own.clone(), own.clone()]);
    // The process that was started is the parent still: service managers know it by that.
    assert_eq!(router.status()["status"]["supervision"]["pid"], router.1.id());
    assert_eq!(shop.run(&["router", "upgrade"]).code, 0);
    assert_eq!(router.executables(), [own.clone(), own]);
}

#[cfg(target_os = "linux")]
#[test]
fn installed_alone_the_command_is_the_router_and_upgrades_lead_both_ways() {
    let shop = Shop::empty();
    let alone = quickserve_tests::quickserve_alone(&shop.path());
    let router = Running::start_by(&shop, &alone);
    assert_eq!(router.executables(), [alone.clone(), alone.clone()]);
    let beside = quickserve_tests::quickserve();
    let own = beside.with_file_name("quickserve-router");
    let ran = router.upgrade_by(&beside);
    assert_eq!((ran.code, router.executables()), (0, [alone.clone(), own.clone()]), "{ran}");

    Running::kill(&router.status()["status"]["pid"]);
    router.wait_for("its death is noticed", |status| status["status"]["supervision"]["deaths"] == 1);
    router.wait_for("the next one serves", |status| status["status"]["pid"].is_number());
    assert_eq!(router.executables(), [alone.clone(), own]);

    let ran = router.upgrade_by(&alone);
    assert_eq!((ran.code, router.executables()), (0, [alone.clone(), alone]), "{ran}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_executable_of_another_version_is_not_used_and_that_is_said() {
    use std::os::unix::fs::PermissionsExt as _;

    let shop = Shop::empty();
    let alone = quickserve_tests::quickserve_alone(&shop.path());
    shop.write("quickserve-router", "#!/bin/sh\necho quickserve-router 0.0.1\n");
    let other = shop.path().join("quickserve-router");
    std::fs::set_permissions(other, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let router = Running::start_by(&shop, &alone);
    assert_eq!(router.executables(), [alone.clone(), alone.clone()]);
    let log = shop.run(&["router", "logs"]).stdout;
    assert!(log.contains("takes more memory") && log.contains("is not of version"), "{log}");
    snapshot("router_upgrade_by_half", &router.upgrade_by(&alone));
    assert_eq!(router.executables(), [alone.clone(), alone]);
}

#[test]
fn the_routers_own_executable_is_not_for_people() {
    let shop = Shop::empty();
    let own = quickserve_tests::quickserve().with_file_name("quickserve-router");
    let ended = |arguments: &[&str]| {
        let output = shop.command_of(&own, arguments).output().expect("a run");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for arguments in [&[][..], &["--help"], &["router", "run"], &["deploy"]] {
        let (code, said) = ended(arguments);
        assert!(code == Some(2) && said.contains("hint: quickserve router run starts it"), "{said}");
    }
}
