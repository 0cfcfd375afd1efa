//! What a person is told who comes later: why something failed, what is wrong elsewhere, what cannot be read.

use std::process::Command;

use quickserve_tests::quickserve;

use crate::support::{Ran, Shop, snapshot};

#[test]
fn a_failed_deployment_is_told_with_its_cause() {
    let shop = Shop::with_images(&["1", "2"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.configure("variables = { STOREFRONT_FAIL_CRASH_AT_START = \"1\" }");
    shop.ends(4, &["deploy", "--image", &shop.image("2")]);
    shop.configure("");
    for command in [&["history"][..], &["status"]] {
        let told = shop.ends(0, command).stdout;
        // How many they are depends on how busy the machine is.
        assert!(told.contains("tasks: ") && told.contains("failed in a row, wanted 1 healthy; "), "{told}");
        assert!(told.contains("exited 1"), "{told}");
    }
    let json = shop.ends(0, &["status", "--format", "json"]).json();
    assert_eq!(json["last"]["outcome"], "rolled_back", "{json}");
    // At a terminal no line is longer than it is wide, and none is cut where it says why.
    for command in ["history", "status", "router status"] {
        let shown = at_a_terminal(&shop, command);
        let longest = shown.lines().map(|line| line.trim_end().chars().count()).max();
        assert!(longest.is_some_and(|longest| longest <= 80), "{command}: {shown}");
    }
    assert!(at_a_terminal(&shop, "history").contains("exited 1"));
}

/// What a command shows at a terminal of 80 columns.
fn at_a_terminal(shop: &Shop, command: &str) -> String {
    let inner = format!("stty cols 80; {} {command}", quickserve().display());
    let (keyboard, typist) = std::io::pipe().expect("a pipe");
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &inner, "/dev/null"])
        .env_clear()
        .env("QUICKSERVE_STATE_DIR", shop.state())
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .current_dir(shop.path())
        .stdin(keyboard)
        .output()
        .expect("the command script, of util-linux");
    drop(typist);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// quickserve.toml with the shop's service and another one.
fn with_another(shop: &Shop, another: &str) {
    let (service, port) = (&shop.service, shop.port);
    shop.write(
        "quickserve.toml",
        &format!(
            "port = 3000\nhealth_check = {{ path = \"/health\", grace = \"2s\" }}\n[deploy]\nbake_time = \"300ms\"\n\
             [environments.local]\nenv_file = \".env\"\n[services.{service}]\n\
             [services.{service}.environments.local]\npublic_port = {port}\n[services.another]\n{another}\n"
        ),
    );
}

#[test]
fn a_mistake_about_another_service_keeps_nobody_from_going_back() {
    let shop = Shop::with_images(&["1", "2"]);
    let this = ["--service", shop.service.as_str()];
    with_another(&shop, "[services.another.environments.local]\npublic_port = 31999");
    for version in ["1", "2"] {
        shop.ends(0, &[&["deploy", "--image", &shop.image(version)][..], &this].concat());
    }
    with_another(&shop, "prot = 3000\n[services.another.environments.local]\npublic_port = 31999");
    let caution = "another part of quickserve.toml is wrong: unknown key `prot` (quickserve.toml:11:1)";
    for command in ["rollback", "status", "history", "restart"] {
        let ran = shop.ends(0, &[&[command][..], &this].concat());
        assert!(ran.stderr.contains(caution), "{ran}");
    }
    assert_eq!(shop.version(), "1");
    let json = shop.ends(0, &[&["status", "--format", "json"][..], &this].concat());
    assert_eq!(json.stdout.lines().count(), 1, "stdout is for the object alone: {json}");
    let all = shop.ends(0, &["status", "--all", "--format", "json"]).json();
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
    // Whom it is about is not guessed, and a new release is not proven with half a file.
    for refused in [&["status", "--service", "another"][..], &[&["deploy"][..], &this].concat(), &["status"]]
    {
        let ran = shop.ends(2, refused);
        assert!(ran.stderr.contains("`prot`") || ran.stderr.contains("several services"), "{ran}");
    }
    with_another(&shop, "[services.another.environments.local]\npublic_port = 31999");
    shop.ends(0, &[&["down"][..], &this].concat());
}

#[test]
fn a_router_that_is_dead_says_what_brings_it_back() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.ends(0, &["router", "stop", "--force"]);
    snapshot("router_dead_status", &shop.run(&["router", "status"]));
    snapshot("router_dead_upgrade", &shop.run(&["router", "upgrade"]));
    shop.ends(0, &["resume"]);
    assert_eq!(shop.version(), "1");
}

/// `plan` is none of them: the release that it names depends on the key by which values of secrets are known, which is
/// made for it where there is none.
#[test]
fn who_only_looks_makes_no_folder() {
    let shop = Shop::with_images(&["1"]);
    let image = shop.image("1");
    for command in [
        &["status"][..],
        &["status", "--all"],
        &["history"],
        &["logs"],
        &["doctor"],
        &["check", "--image", &image],
        &["env", "show"],
        &["router", "status"],
    ] {
        shop.ends(0, command);
        assert!(!shop.state().exists(), "{command:?}");
    }
}

fn unread(name: &str, shop: &Shop, command: &[&str]) -> Ran {
    let ran = shop.ends(2, command);
    snapshot(name, &ran);
    ran
}

#[test]
fn what_cannot_be_read_is_not_called_absent() {
    let shop = Shop::empty();
    shop.configure("image = \"shop:1\"");
    shop.write(".env.example", "DATABASE_URL=\n");
    shop.write(".env", "DATABASE_URL=x\nthis is no variable\n");
    unread("env_show_unread", &shop, &["env", "show"]);
    let doctor = shop.ends(2, &["doctor"]);
    assert!(doctor.stdout.contains(".env:2"), "{doctor}");
    assert!(!doctor.stdout.contains("nothing was found amiss"), "{doctor}");

    // Where there is none yet, nothing has a value, and that is the answer.
    std::fs::remove_file(shop.path().join(".env")).expect("removed");
    let shown = shop.ends(0, &["env", "show"]);
    assert!(shown.stdout.contains("missing  DATABASE_URL"), "{shown}");

    let text = "service = \"shop\"\ntask_definition = \"task.json\"\nenv_contract = \".env.example\"\n\
                [environments.local]\npublic_port = 8080\n";
    shop.write("quickserve.toml", text);
    shop.write("task.json", "{\n  \"containerDefinitions\": [,]\n}\n");
    unread("env_show_no_definition", &shop, &["env", "show"]);
    let compared = shop.ends(2, &["env", "diff", "local", "local"]);
    assert!(compared.stderr.contains("--> task.json:2:28"), "{compared}");
    assert_eq!(shop.ends(2, &["env", "show", "--format", "json"]).json()["findings"][0]["where"]["line"], 2);
    std::fs::remove_file(shop.path().join("task.json")).expect("removed");
    std::fs::create_dir(shop.path().join("task.json")).expect("a folder");
    let ran = shop.ends(2, &["env", "show"]);
    assert!(ran.stderr.contains("task.json is no file"), "{ran}");
    std::fs::write(shop.path().join(".env.example"), [0xff, 0xfe]).expect("a file");
    let doctor = shop.ends(2, &["doctor", "--format", "json"]).json();
    let findings = doctor["findings"].as_array().expect("findings");
    assert!(
        findings
            .iter()
            .any(|finding| finding["message"].as_str().is_some_and(|m| m.contains(".env.example")))
    );
}
