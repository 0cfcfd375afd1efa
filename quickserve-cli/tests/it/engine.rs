//! No Docker engine, or one that does not let us in.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;

use crate::support::{Shop, snapshot};

fn shop() -> Shop {
    let shop = Shop::empty();
    shop.configure("");
    shop.write(".env.example", "");
    shop.write(".env", "");
    shop
}

#[test]
fn without_an_engine_it_says_how_to_start_one() {
    let shop = shop();
    let socket = "unix:///nowhere/docker.sock";
    snapshot("no_engine", &shop.run_with(&[("DOCKER_HOST", socket)], &["deploy", "--image", "shop:1"]));
    let remote = [("DOCKER_HOST", "tcp://10.0.0.1:2375")];
    snapshot("remote_engine", &shop.run_with(&remote, &["deploy", "--image", "shop:1"]));
}

#[test]
fn without_an_engine_status_shows_what_router_and_journal_know() {
    let shop = shop();
    shop.ends(0, &["lock", "--reason", "the database moves"]);
    let away = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];
    let ran = shop.run_with(&away, &["status"]);
    snapshot("no_engine_status", &ran);
    assert_eq!(ran.code, 3, "{ran}");
    let machine = shop.run_with(&away, &["status", "--format", "json"]);
    let lines = machine.json_lines();
    assert_eq!(lines.len(), 1, "one answer: {machine}");
    assert_eq!(
        (lines[0]["kind"].as_str(), &lines[0]["serving"]),
        (Some("finished"), &serde_json::Value::Null)
    );
}

#[test]
fn history_needs_no_engine() {
    let shop = shop();
    let ran = shop.run_with(&[("DOCKER_HOST", "unix:///nowhere/docker.sock")], &["history"]);
    snapshot("history_empty", &ran);
}

/// Root may use any socket, so the command runs as nobody, and from a copy that nobody may read.
#[test]
fn a_socket_that_may_not_be_used_names_the_group() {
    let shop = shop();
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    };
    let folder = shop.path();
    let socket = folder.join("docker.sock");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    open(&socket, 0o000);
    let binary = folder.join("quickserve");
    std::fs::copy(quickserve_tests::quickserve(), &binary).expect("a copy");
    open(&binary, 0o755);
    open(folder.parent().expect("a folder"), 0o755);
    open(&folder, 0o777);
    let arguments = ["deploy", "--image", "shop:1"];
    let mut copy = std::process::Command::new(&binary);
    copy.args(arguments).env_clear().current_dir(&folder).env("USER", "ada");
    copy.env("QUICKSERVE_STATE_DIR", folder.join("state"));
    copy.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    if rustix::process::geteuid().is_root() {
        copy.uid(65534).gid(65534);
    }
    let output = copy.output().expect("a run");
    snapshot("no_permission", &shop.ran(&arguments, &output));
}
