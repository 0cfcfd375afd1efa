//! `doctor`: what is wrong with a service that runs, and what mends it.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Shop, docker, snapshot};
use quickserve_tests::docker::containers;

fn findings(json: &Value) -> Vec<&str> {
    let findings = json["findings"].as_array().expect("findings").iter();
    findings.map(|finding| finding["code"].as_str().expect("a code")).collect()
}

fn remedies(json: &Value) -> Vec<&str> {
    let remedies = json["remedies"].as_array().expect("remedies").iter();
    remedies.map(|remedy| remedy["command"].as_str().expect("a command")).collect()
}

/// What a look finds in the end; half a minute is plenty.
fn until<T>(otherwise: &str, look: impl Fn() -> Option<T>) -> T {
    let found = (0..600).find_map(|_| {
        let found = look();
        if found.is_none() {
            std::thread::sleep(Duration::from_millis(50));
        }
        found
    });
    found.unwrap_or_else(|| panic!("{otherwise}"))
}

#[test]
fn a_healthy_service_has_nothing_to_mend() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let json = shop.ends(0, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json), Vec::<&str>::new(), "{json}");
    assert_eq!(remedies(&json), Vec::<&str>::new(), "{json}");
    assert_eq!(json["consistent"], true);
    let told = shop.ends(0, &["doctor"]);
    assert!(told.stdout.contains("healthy  nothing was found amiss"), "{told}");
    assert!(told.stdout.contains("contract all that is required of 2 variables is there"), "{told}");
}

#[test]
fn a_task_that_was_removed_is_brought_back_by_fix() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let task = containers(&shop.service).remove(0);
    docker(&["rm", "--force", &task.id]);
    let json = shop.ends(0, &["doctor", "--format", "json"]).json();
    assert_eq!(remedies(&json), ["quickserve resume"], "{json}");
    assert_eq!(json["remedies"][0]["safe"], true);
    let mended = shop.ends(0, &["doctor", "--fix"]);
    assert!(mended.stdout.contains("nothing was found amiss"), "{mended}");
    assert_eq!(shop.version(), "1");
}

#[test]
fn a_task_that_ends_again_and_again_is_told_with_its_causes() {
    let shop = Shop::with_images(&["1", "2"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.ends(0, &["deploy", "--image", &shop.image("2")]);
    for _ in 0..3 {
        let task =
            containers(&shop.service).into_iter().find(|task| task.state == "running").expect("a task");
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &task.id]);
        assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
        // The engine waits before it starts a container again.
        until("it does not come back", || {
            let state = docker(&["inspect", "--format", "{{.State.Status}} {{.State.Pid}}", &task.id]);
            state.strip_prefix("running ").filter(|now| *now != pid).map(drop)
        });
    }
    let json = shop.ends(0, &["doctor", "--format", "json"]).json();
    assert!(findings(&json).contains(&"QS424"), "{json}");
    assert_eq!(json["examined"]["ends"][0]["count"], 3, "{json}");
    assert!(remedies(&json).contains(&"quickserve rollback"), "{json}");
    assert!(
        json["remedies"].as_array().expect("remedies").iter().all(|remedy| remedy["safe"] == false),
        "{json}"
    );
    let told = shop.ends(0, &["doctor"]);
    assert!(told.stdout.contains("3x exited 137"), "{told}");
}

#[test]
fn a_contract_that_grew_and_a_stranger_on_the_port_are_told() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.write(".env.example", "DATABASE_URL=\nSTRIPE_API_KEY=\nTWILIO_AUTH_TOKEN=\n");
    let json = shop.ends(0, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json), ["QS101"], "{json}");
    assert!(
        json["findings"][0]["message"].as_str().expect("a message").contains("TWILIO_AUTH_TOKEN"),
        "{json}"
    );

    shop.ends(0, &["router", "stop", "--force"]);
    // The router's worker closes its sockets after the command has its answer.
    let address = ("127.0.0.1", shop.port);
    let stranger = until("the port stays taken", || TcpListener::bind(address).ok());
    let json = shop.ends(0, &["doctor", "--format", "json"]).json();
    assert!(findings(&json).contains(&"QS201"), "{json}");
    assert!(json["examined"]["port_holder"].as_str().expect("a holder").starts_with("process "), "{json}");
    drop(stranger);
    shop.write(".env.example", "DATABASE_URL=\nSTRIPE_API_KEY=\n");
    shop.ends(0, &["doctor", "--fix"]);
    assert_eq!(shop.version(), "1");
}

#[test]
fn before_a_first_deployment_there_is_little_to_say() {
    let shop = Shop::with_images(&["1"]);
    snapshot("doctor_nothing", &shop.ends(0, &["doctor"]));
}
