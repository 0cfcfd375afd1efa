//! `check` without an image passes nothing of the files that `deploy` refuses.

use std::path::Path;

use quickserve_tests::Tap;
use serde_json::Value;

use crate::support::{Ran, Shop};

/// The codes of the errors that a command tells as JSON.
fn errors(ran: &Ran) -> Vec<String> {
    let line: Value =
        ran.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok()).expect("JSON");
    let findings = line["findings"].as_array().expect("findings").clone();
    let errors = findings.iter().filter(|finding| finding["severity"] == "error");
    errors.map(|finding| finding["code"].as_str().unwrap_or_default().to_owned()).collect()
}

const DEFINITION: &str = r#"{
  "family": "shop",
  "containerDefinitions": [{
    "name": "app",
    "image": "${IMAGE}",
    "portMappings": [{ "containerPort": 3000 }],
    "environment": [{ "name": "PORT", "value": "3000" }]
  }]
}
"#;

/// What is done to the files, and what both commands say then.
type Fault = (&'static str, &'static str, fn(&Path));

const FAULTS: [Fault; 5] = [
    ("a variable is missing", "QS101", |folder| write(folder, ".env", "OTHER=1\n")),
    ("there is no .env", "QS102", |folder| std::fs::remove_file(folder.join(".env")).expect("removed")),
    (".env is a folder", "QS102", |folder| {
        std::fs::remove_file(folder.join(".env")).expect("removed");
        std::fs::create_dir(folder.join(".env")).expect("a folder");
    }),
    (".env is garbled", "QS102", |folder| write(folder, ".env", "DATABASE_URL=x\ntwo words\n")),
    ("there is no contract", "QS117", |folder| {
        std::fs::remove_file(folder.join("contract.env")).expect("removed");
    }),
];

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}

/// A service with a contract and values; `workload` says what it runs.
fn shop(workload: &str) -> Shop {
    let shop = Shop::empty();
    shop.write(
        "quickserve.toml",
        &format!(
            "service = \"{}\"\n{workload}env_contract = \"contract.env\"\n[environments.local]\n\
             public_port = {}\nenv_file = \".env\"\n",
            shop.service, shop.port
        ),
    );
    shop.write("contract.env", "DATABASE_URL=\n");
    shop.write(".env", "DATABASE_URL=postgres\n");
    shop
}

#[test]
fn without_an_image_the_files_are_judged_as_a_deployment_judges_them() {
    let good = shop("port = 3000\n");
    assert_eq!(errors(&good.ends(0, &["check", "--format", "json"])), Vec::<String>::new());
    for (what, code, fault) in FAULTS {
        let shop = shop("port = 3000\n");
        fault(&shop.path());
        let check = errors(&shop.ends(3, &["check", "--format", "json"]));
        assert!(check.iter().any(|found| found == code), "{what}: {check:?}");
        let deploy = shop.ends(3, &["deploy", "--image", "absent:1", "--format", "json"]);
        assert!(errors(&deploy).iter().any(|found| found == code), "{what}: {deploy}");
    }
}

#[test]
fn a_file_of_values_must_be_one_beside_a_definition_without_secrets() {
    for (what, code, fault) in FAULTS.into_iter().filter(|(_, code, _)| *code == "QS102") {
        let shop = shop("task_definition = \"task.json\"\n");
        shop.write("task.json", DEFINITION);
        shop.write("contract.env", "PORT=\n");
        fault(&shop.path());
        for command in
            [&["check", "--format", "json"][..], &["check", "--image", "absent:1", "--format", "json"]]
        {
            let ran = shop.run_with(&[("IMAGE", "absent:1")], command);
            let found = errors(&ran);
            assert_eq!(found.iter().filter(|found| *found == code).count(), 1, "{what}: {ran}");
        }
    }
}

#[test]
fn each_thing_is_said_once() {
    let shop = shop("task_definition = \"task.json\"\n");
    let broken = DEFINITION.replace("\"3000\"", "3000").replace("\"family\"", "\"famly\"");
    shop.write("task.json", &broken);
    let said = |ran: &Ran| {
        let findings = ran.json()["findings"].as_array().expect("findings").clone();
        let of = |finding: &Value| format!("{} {} {}", finding["code"], finding["message"], finding["where"]);
        findings.iter().map(of).collect::<Vec<_>>()
    };
    let once = |ran: &Ran, code: &str| {
        let said = said(ran);
        assert!(said.iter().any(|one| one.contains(code)), "{code}: {said:?}");
        for one in &said {
            assert_eq!(said.iter().filter(|other| *other == one).count(), 1, "{one}: {ran}");
        }
    };
    once(&shop.ends(3, &["check", "--format", "json"]), "QS402");
    std::fs::remove_file(shop.path().join("task.json")).expect("removed");
    let absent = shop.ends(3, &["check", "--format", "json"]);
    once(&absent, "QS117");
    assert_eq!(errors(&absent).iter().filter(|code| *code == "QS117").count(), 1, "{absent}");
}

#[test]
fn an_engine_that_fails_hides_nothing_of_the_files() {
    let shop = Shop::with_images(&["1"]);
    shop.configure(&format!("image = \"{}\"", shop.image("1")));
    shop.write(".env", "DATABASE_URL=\n");
    let tap = Tap::failing(&shop.path());
    let _held = std::net::TcpListener::bind(("127.0.0.1", shop.port)).expect("the port");
    for engine in [tap.address(), "unix:///no/such/socket".to_owned()] {
        let ran = shop.run_with(&[("DOCKER_HOST", &engine)], &["check", "--format", "json"]);
        assert_eq!(ran.code, 3, "{ran}");
        let found = errors(&ran);
        let has = |code: &str| found.iter().any(|found| found == code);
        assert!(has("QS602") && (has("QS101") || has("QS103")), "{found:?}");
    }
}

#[test]
fn mistakes_alone_in_a_folder_are_told() {
    let shop = Shop::empty();
    shop.write("quickserve.toml", "sevrice = \"shop\"\n");
    let ran = shop.ends(3, &["check"]);
    assert!(ran.stdout.contains("QS111"), "{ran}");
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_waited_for_by_nobody() {
    for name in ["task.json", ".env", "contract.env"] {
        let shop = shop("task_definition = \"task.json\"\n");
        shop.write("task.json", DEFINITION);
        let path = shop.path().join(name);
        std::fs::remove_file(&path).expect("removed");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).expect("a pipe");
        for command in ["check", "deploy", "plan"] {
            let ran = shop.run_with(&[("IMAGE", "absent:1")], &[command]);
            assert!(ran.code > 1 && format!("{ran}").contains("is no file"), "{name} {command}: {ran}");
        }
    }
}

#[test]
fn quietly_only_how_it_ended_is_told() {
    let shop = shop("port = 3000\n");
    std::fs::remove_file(shop.path().join(".env")).expect("removed");
    for command in [&["deploy", "--image", "absent:1", "-q"][..], &["check", "-q"]] {
        let ran = shop.ends(3, command);
        assert!(!format!("{ran}").contains("--> "), "{ran}");
        assert!(ran.stderr.contains("refused by"), "{ran}");
    }
}
