//! `doctor`: what is wrong with a service that runs, and what mends it.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Shop, docker, snapshot};
use quickserve_tests::Settings;
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
    assert_eq!(shop.ends(0, &["doctor", "-q"]).stdout, "");
}

#[test]
fn a_task_that_was_removed_is_brought_back_by_fix() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let task = containers(&shop.service).remove(0);
    docker(&["rm", "--force", &task.id]);
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json), ["QS426", "QS427"], "{json}");
    assert_eq!(json["findings"][0]["message"], format!("requests fail: {}", asks(&shop, "answered 502")));
    assert_eq!(json["findings"][1]["message"], "0 of 1 tasks are there");
    assert_eq!(json["serving"][0]["tasks"], 0, "{json}");
    assert_eq!(remedies(&json), ["quickserve resume"], "{json}");
    assert_eq!(json["remedies"][0]["safe"], true);
    let quiet = shop.ends(3, &["doctor", "-q"]);
    assert!(quiet.stdout.contains("QS427") && quiet.stdout.contains("quickserve resume"), "{quiet}");
    assert!(!quiet.stdout.lines().any(|line| line.starts_with("service ")), "{quiet}");
    let told = shop.ends(3, &["doctor"]);
    assert!(told.stdout.starts_with("QS426 "), "the cause comes first: {told}");
    assert_eq!(told.stdout.matches("0 of 1 tasks are there").count(), 1, "said once: {told}");
    assert!(!told.stdout.contains("caution"), "what findings say is not said again: {told}");
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
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json), ["QS424"], "{json}");
    // How often, it counts itself; of the ends it may have forgotten some.
    let message = json["findings"][0]["message"].as_str().expect("a message");
    assert!(message.contains("ends again and again: 3 times"), "{json}");
    assert!(remedies(&json).contains(&"quickserve rollback"), "{json}");
    assert!(
        json["remedies"].as_array().expect("remedies").iter().all(|remedy| remedy["safe"] == false),
        "{json}"
    );
    let told = shop.ends(3, &["doctor"]);
    assert_eq!(told.stdout.matches("x exited 137").count(), 1, "said once: {told}");
}

#[test]
fn a_contract_that_grew_and_a_stranger_on_the_port_are_told() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.write(".env.example", "DATABASE_URL=\nSTRIPE_API_KEY=\nTWILIO_AUTH_TOKEN=\n");
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json), ["QS101"], "{json}");
    assert!(
        json["findings"][0]["message"].as_str().expect("a message").contains("TWILIO_AUTH_TOKEN"),
        "{json}"
    );
    // It lies where `check` finds it, whether it is named or not.
    let file = shop.path().join("quickserve.toml");
    let named = std::fs::read_to_string(&file).expect("the settings");
    shop.write("quickserve.toml", &named.replace("env_contract = \".env.example\"\n", ""));
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json), ["QS101"], "{json}");
    std::fs::write(shop.path().join(".env.example"), [0xff, 0xfe, b'=']).expect("no text");
    let unread = shop.ends(2, &["doctor"]);
    assert!(!unread.stdout.contains("nothing was found amiss"), "{unread}");
    shop.write("quickserve.toml", &named);
    shop.write(".env.example", "DATABASE_URL=\nSTRIPE_API_KEY=\n");

    shop.ends(0, &["router", "stop", "--force"]);
    // The router's worker closes its sockets after the command has its answer.
    let address = ("127.0.0.1", shop.port);
    let stranger = until("the port stays taken", || TcpListener::bind(address).ok());
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json)[0], "QS201", "{json}");
    assert!(json["examined"]["port_holder"].as_str().expect("a holder").starts_with("process "), "{json}");
    drop(stranger);
    shop.ends(0, &["doctor", "--fix"]);
    assert_eq!(shop.version(), "1");
}

#[test]
fn before_a_first_deployment_there_is_little_to_say() {
    let shop = Shop::with_images(&["1"]);
    snapshot("doctor_nothing", &shop.ends(0, &["doctor"]));
    let json = shop.ends(0, &["doctor", "--format", "json"]).json();
    assert!(
        json["next"].as_str().expect("a text").starts_with("nothing is deployed yet: quickserve deploy"),
        "{json}"
    );
}

/// What a request of doctor's met.
fn asks(shop: &Shop, met: &str) -> String {
    format!("GET /health on 127.0.0.1:{}: {met}", shop.port)
}

/// The router's processes, the parent first.
fn router(shop: &Shop) -> [i64; 2] {
    let status = shop.ends(0, &["router", "status", "--format", "json"]).json();
    [&status["status"]["supervision"]["pid"], &status["status"]["pid"]]
        .map(|pid| pid.as_i64().expect("a process"))
}

fn signal(signal: &str, process: i64) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status().expect("kill");
    assert!(sent.success(), "kill {signal} {process}");
}

#[test]
fn a_port_that_was_taken_from_a_dead_router_is_told_by_all_and_taken_back_when_it_is_free() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    for process in router(&shop) {
        signal("-9", process);
    }
    let address = ("127.0.0.1", shop.port);
    let stranger = until("the port stays taken", || TcpListener::bind(address).ok());
    let kill = format!("kill {}", std::process::id());

    // What would fail is not run, and what helps comes first.
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json)[0], "QS201", "{json}");
    assert_eq!(remedies(&json), [&kill, "quickserve resume"], "{json}");
    let fixed = shop.ends(3, &["doctor", "--fix"]);
    assert!(!fixed.stderr.contains("quickserve resume"), "{fixed}");

    // The router comes up, and nothing is done before somebody is reached.
    let holder = format!("(pid {})", std::process::id());
    let resumed = shop.ends(5, &["resume"]);
    assert!(resumed.stderr.contains("already in use by") && resumed.stderr.contains(&holder), "{resumed}");
    assert!(resumed.stderr.lines().filter(|line| line.starts_with("shift ")).count() <= 1, "{resumed}");
    let status = shop.ends(0, &["status"]);
    assert!(status.stdout.contains("already in use by") && status.stdout.contains(&holder), "{status}");
    assert!(!status.stdout.contains("quickserve resume"), "it would not help: {status}");
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(remedies(&json), [&kill], "{json}");

    drop(stranger);
    until("the port is not taken back", || (shop.version() == "1").then_some(()));
    shop.ends(0, &["doctor"]);
}

#[test]
fn a_router_that_hangs_is_not_called_absent() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let [_, worker] = router(&shop);
    signal("-STOP", worker);
    let status = shop.run(&["status"]);
    signal("-CONT", worker);
    assert!(status.stdout.contains("unknown: the router runs and does not answer"), "{status}");
    assert_ne!(status.code, 0, "{status}");
}

#[test]
fn a_paused_task_is_told_and_not_called_healthy() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let task = containers(&shop.service).remove(0);
    docker(&["pause", &task.id]);
    let status = shop.ends(0, &["status"]);
    assert!(status.stdout.contains("is paused") && !status.stdout.contains("agree"), "{status}");
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json), ["QS426", "QS427"], "{json}");
    assert!(json["findings"][1]["message"].as_str().expect("a message").contains("is paused"), "{json}");
    assert!(remedies(&json).contains(&&*format!("docker unpause {}", task.name)), "{json}");
    let told = shop.ends(3, &["doctor"]);
    assert!(!told.stdout.contains("nothing was found amiss"), "{told}");
    shop.ends(0, &["doctor", "--fix"]);
    assert_eq!(shop.version(), "1");
}

#[test]
fn a_task_that_hangs_is_found_by_asking_it() {
    let shop = Shop::with_images(&["1"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let task = containers(&shop.service).remove(0);
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &task.id]).parse().expect("a process");
    signal("-STOP", pid);
    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    signal("-CONT", pid);
    assert_eq!(findings(&json), ["QS426", "QS427"], "{json}");
    assert_eq!(remedies(&json), ["quickserve resume"], "{json}");
}

/// The engine calls a task unhealthy until its next check: it answers again long before.
#[test]
fn a_task_that_answers_again_is_not_called_broken_until_its_next_check() {
    let shop = Shop::with_images(&["1"]);
    let definition = r#"{ "family": "shop", "containerDefinitions": [{
        "name": "app", "image": "IMAGE", "portMappings": [{ "containerPort": 3000 }],
        "environment": [{ "name": "PORT", "value": "3000" }, { "name": "DATABASE_URL", "value": "x" },
          { "name": "STRIPE_API_KEY", "value": "x" }],
        "healthCheck": { "command": ["CMD", "/storefront", "healthcheck"], "interval": 15, "timeout": 2, "retries": 1 }
    }] }"#;
    shop.write("task.json", &definition.replace("IMAGE", &shop.image("1")));
    let settings = format!(
        "service = \"{}\"\ntask_definition = \"task.json\"\nhealth_check = \"/health\"\n[deploy]\n\
         bake_time = \"300ms\"\n[environments.local]\npublic_port = {}\nenv_file = \".env\"\n",
        shop.service, shop.port
    );
    shop.write("quickserve.toml", &settings);
    shop.ends(0, &["deploy"]);
    let task = containers(&shop.service).remove(0);
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &task.id]).parse().expect("a process");
    signal("-STOP", pid);
    until("it stays healthy", || {
        (docker(&["inspect", "--format", "{{.State.Health.Status}}", &task.id]) == "unhealthy").then_some(())
    });
    signal("-CONT", pid);
    until("it does not answer", || (shop.version() == "1").then_some(()));
    let json = shop.ends(0, &["doctor", "--format", "json"]).json();
    assert_eq!(findings(&json), ["QS427"], "{json}");
    assert_eq!(json["findings"][0]["severity"], "warning", "{json}");
    assert_eq!(json["consistent"], true, "{json}");
    assert_eq!(remedies(&json), Vec::<&str>::new(), "{json}");
}

#[test]
fn what_would_promote_another_version_is_offered_and_not_run() {
    let shop = Shop::with_images(&["1", "2"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.settle(Settings { deploy: "bake_time = \"5m\"", ..Settings::default() });
    let mut deploying = shop.start(&["deploy", "--image", &shop.image("2")]);
    until("it does not bake", || {
        let json = shop.ends(0, &["status", "--format", "json"]).json();
        (json["in_flight"]["step"] == "bake").then_some(())
    });
    deploying.kill().expect("killed");
    deploying.wait().expect("its end");

    let json = shop.ends(3, &["doctor", "--format", "json"]).json();
    assert_eq!(remedies(&json), ["quickserve resume", "quickserve abort"], "{json}");
    let told = shop.ends(3, &["doctor", "--fix"]);
    assert!(told.stdout.lines().any(|line| line.starts_with("newer ")), "{told}");
    let json = shop.ends(0, &["status", "--format", "json"]).json();
    assert_eq!(json["in_flight"]["interrupted"], true, "nobody has chosen: {json}");
    // The way back that it offers.
    let aborted = shop.run(&["abort"]);
    assert_eq!(shop.version(), "1", "{aborted}");
}
