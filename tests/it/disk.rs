//! A state folder that cannot be written: full at any write, or read-only. What serves goes on serving, nothing
//! hangs, and when there is room again the next command converges.
//!
//! The folder is a small file system in memory of its own. To mount one these tests must run as root.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quickserve_tests::{Ran, Settings, Shop};
use serde_json::Value;

/// In KiB; what is not used by the journal and the router's state is taken by ballast.
const SIZE: u64 = 4096;

/// The smallest piece of a file system in memory.
const PAGE: u64 = 4096;

/// A file system in memory, unmounted in the end.
struct Disk {
    path: PathBuf,
    is_read_only: Cell<bool>,
}

impl Disk {
    fn mount(path: &Path) -> Self {
        fs::create_dir_all(path).expect("a folder");
        let size = format!("size={SIZE}k,mode=700");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], path);
        Self { path: path.to_owned(), is_read_only: Cell::new(false) }
    }

    /// Leaves so many pages free.
    fn fill(&self, pages: u64) {
        self.clear();
        let seen = rustix::fs::statvfs(&self.path).expect("a file system");
        let ballast = seen.f_bavail.saturating_sub(pages) * seen.f_frsize / PAGE * PAGE;
        fs::write(self.ballast(), vec![0; usize::try_from(ballast).expect("a size")]).expect("ballast");
    }

    /// Makes room again.
    fn clear(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Puts a read-only view over it: it cannot be made read-only itself while the router has its log open.
    fn make_read_only(&self) {
        let path = self.path.display().to_string();
        run("mount", &["--bind", &path], &self.path);
        run("mount", &["-o", "remount,bind,ro"], &self.path);
        self.is_read_only.set(true);
    }

    /// Takes that view away.
    fn make_writable(&self) {
        if self.is_read_only.take() {
            run("umount", &["--lazy"], &self.path);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there ends by itself.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).output();
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let output = Command::new(program).args(arguments).arg(path).output().expect("a process");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "to make a disk full these tests must be root: {program}: {said}");
}

/// A shop whose state is on a disk of its own.
struct Cramped {
    // Unmounted before the shop removes its folder.
    disk: Disk,
    shop: Shop,
}

impl Drop for Cramped {
    fn drop(&mut self) {
        self.disk.make_writable();
        self.disk.clear();
        self.shop.close();
    }
}

impl Cramped {
    fn new() -> Self {
        let shop = Shop::apart(&["1"]);
        let disk = Disk::mount(&shop.state());
        Self { disk, shop }
    }

    fn deploy(&self, edition: &str) -> Ran {
        let top = format!("variables = {{ EDITION = \"{edition}\" }}");
        // What cannot be written is tried again until the deployment's own deadline.
        let deploy = "bake_time = \"100ms\"\ndrain_timeout = \"2s\"\ntimeout = \"5s\"";
        self.shop.settle(Settings { top: &top, deploy, ..Settings::default() });
        self.shop.run(&["deploy", "--retry", "--image", &self.shop.image("1")])
    }

    fn status(&self) -> Value {
        let ran = self.shop.run(&["status", "--format", "json"]);
        assert_eq!(ran.code, 0, "{ran}");
        ran.json()
    }
}

#[test]
fn a_disk_that_is_full_at_any_write_costs_no_request_and_loses_nothing() {
    let cramped = Cramped::new();
    let (shop, disk) = (&cramped.shop, &cramped.disk);
    let first = cramped.deploy("first");
    assert_eq!(first.code, 0, "{first}");
    let (mut failures, mut pages) = (0, 0);
    loop {
        disk.fill(pages);
        let before = shop.identity();
        let deployed = cramped.deploy(&format!("{pages}"));
        let seen = |what: &str| format!("{what} with {pages} pages free\n{deployed}");
        let meanwhile = shop.identity();
        assert!(!meanwhile.is_null(), "{}", seen("nobody serves"));
        // Looking needs no room.
        let status = cramped.status();
        if deployed.code == 0 {
            assert_eq!(status["consistent"], true, "{}: {status}", seen("not consistent"));
            break;
        }
        failures += 1;
        assert!(matches!(deployed.code, 3..=5), "{}", seen("exit code"));
        assert!(deployed.stderr.contains("No space left"), "{}", seen("it does not say why"));
        disk.clear();
        let resumed = shop.run(&["resume"]);
        assert!(matches!(resumed.code, 0 | 4), "{}\n{resumed}", seen("resume"));
        let status = cramped.status();
        assert_eq!(status["consistent"], true, "{}: {status}\n{resumed}", seen("not consistent"));
        let after = shop.identity();
        assert!(!after.is_null(), "{}\n{resumed}", seen("nobody serves after resume"));
        assert!(resumed.code == 0 || after == before, "{}\n{resumed}", seen("not taken back"));
        pages += 2;
    }
    assert!(failures > 5, "the disk was full only {failures} times");
    report(&format!("disk full: {failures} points, up to {pages} pages free"));
}

#[test]
fn a_first_deployment_on_a_full_or_read_only_disk_is_refused_and_leaves_nothing() {
    let cramped = Cramped::new();
    let (shop, disk) = (&cramped.shop, &cramped.disk);
    disk.make_read_only();
    let refused = cramped.deploy("1");
    assert_eq!(refused.code, 3, "{refused}");
    assert!(refused.stderr.contains("Read-only"), "{refused}");
    disk.make_writable();
    disk.fill(0);
    let refused = cramped.deploy("1");
    assert_eq!(refused.code, 3, "{refused}");
    assert!(refused.stderr.contains("No space left"), "{refused}");
    assert_eq!(quickserve_tests::docker::containers(&shop.service), []);
    disk.clear();
    let deployed = cramped.deploy("1");
    assert_eq!(deployed.code, 0, "{deployed}");
}

#[test]
fn a_state_folder_that_becomes_read_only_stops_changes_and_not_the_service() {
    let cramped = Cramped::new();
    let (shop, disk) = (&cramped.shop, &cramped.disk);
    assert_eq!(cramped.deploy("1").code, 0);
    let serving = shop.identity();
    disk.make_read_only();
    let refused = cramped.deploy("2");
    assert_eq!(refused.code, 3, "{refused}");
    assert!(refused.stderr.contains("Read-only"), "{refused}");
    assert_eq!(shop.identity(), serving);
    assert_eq!(cramped.status()["consistent"], true);
    for looking in [&["history"], &["logs"]] {
        let looked = shop.run(looking);
        assert_eq!(looked.code, 0, "{looked}");
    }
    disk.make_writable();
    let deployed = cramped.deploy("2");
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_ne!(shop.identity(), serving);
}

#[expect(clippy::disallowed_macros, reason = "how many writes were refused is part of what the test shows")]
fn report(line: &str) {
    println!("{line}");
}
