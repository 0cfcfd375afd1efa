//! `check`: all findings at once, in every format, and nothing is changed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use quickserve_tests::Tap;
use serde_json::Value;

use crate::support::{Ran, Shop, docker, snapshot};

/// The files of the case study, cut out of it unchanged.
fn case_study(shop: &Shop) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/case-study");
    copy(&fixtures, &shop.path());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}

fn codes(ran: &Ran) -> Vec<(String, String)> {
    let findings = ran.json()["findings"].as_array().expect("findings").clone();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    findings.iter().map(|finding| (text(finding, "code"), text(finding, "severity"))).collect()
}

fn errors(ran: &Ran) -> Vec<String> {
    let errors = codes(ran).into_iter().filter(|(_, severity)| severity == "error");
    errors.map(|(code, _)| code).collect()
}

const CASE_STUDY: [&str; 7] = [
    "check",
    "--task-definition",
    "deploy/aws-task-definition.json",
    "--env-file",
    ".env.example",
    "--dockerfile",
    "Dockerfile",
];

#[test]
fn the_case_study_is_told_every_fault_with_its_line() {
    let shop = Shop::empty();
    case_study(&shop);
    snapshot("check_case_study", &shop.ends(3, &[&CASE_STUDY[..], &["-v"]].concat()));
    // Without it the notes are counted.
    let brief = shop.ends(3, &CASE_STUDY);
    assert!(brief.stderr.contains("8 notes; -v shows the notes"), "{brief}");
    assert!(!brief.stdout.contains("note["), "{brief}");
    // Without arguments the same files are found.
    let found = shop.ends(3, &["check", "--format", "json"]);
    assert_eq!(codes(&found), codes(&shop.run(&[&CASE_STUDY[..], &["--format", "json"]].concat())));
}

#[test]
fn findings_are_machine_readable() {
    let shop = Shop::empty();
    case_study(&shop);
    let json = shop.ends(3, &["check", "--format", "json"]).json();
    let first = &json["findings"][0];
    for key in ["code", "severity", "message", "docs"] {
        assert!(first[key].is_string(), "{key}: {first}");
    }
    let sarif = shop.ends(3, &["check", "--format", "sarif"]).json();
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), json["findings"].as_array().expect("findings").len());
    let github = shop.ends(3, &["check", "--format", "github"]);
    assert_eq!(
        github.stderr.lines().filter(|line| line.starts_with("::error ")).count(),
        errors(&shop.ends(3, &["check", "--format", "json"])).len()
    );
    snapshot("check_sarif_elsewhere", &shop.run(&["status", "--format", "sarif"]));
}

#[test]
fn a_service_that_can_be_deployed_passes() {
    let shop = Shop::with_images(&["1"]);
    shop.configure(&format!("image = \"{}\"", shop.image("1")));
    snapshot("check_passes", &shop.ends(0, &["check"]));
    let json = shop.ends(0, &["check", "--format", "json"]);
    assert_eq!(errors(&json), Vec::<String>::new());
    let filter = format!("label=dev.quickserve.service={}", shop.service);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &filter]), "");
}

#[test]
fn whatever_is_wrong_is_told_beside_the_rest() {
    let shop = Shop::with_images(&["1"]);
    shop.configure(&format!("image = \"{}\"", shop.image("9")));
    shop.write(".env", "DATABASE_URL=\n");
    let _listener = TcpListener::bind(("127.0.0.1", shop.port)).expect("the port");
    let found = errors(&shop.ends(3, &["check", "--format", "json"]));
    for code in ["QS101", "QS201", "QS301"] {
        assert!(found.iter().any(|found| found == code), "{code} in {found:?}");
    }
    // An error in quickserve.toml hides nothing of the files.
    shop.write("quickserve.toml", "sevrice = \"shop\"\n");
    shop.write("Dockerfile", "FROM alpine\nENV STRIPE_API_KEY=\n");
    let found = codes(&shop.ends(3, &["check", "--format", "json"]));
    let has = |code: &str| found.iter().any(|(found, _)| found == code);
    assert!(has("QS111") && has("QS503"), "{found:?}");
}

/// P1: whichever check refuses, the engine is asked nothing that could change it.
#[test]
fn a_deployment_that_is_refused_asks_the_engine_for_no_change() {
    let shop = Shop::with_images(&["1"]);
    let image = shop.image("1");
    let tap = Tap::open(&shop.path());
    let deploy = |arguments: &[&str]| {
        let arguments = [&["deploy"], arguments].concat();
        shop.run_with(&[("DOCKER_HOST", &tap.address())], &arguments)
    };
    let refused = |ran: &Ran, code: &str| {
        assert_eq!(ran.code, 3, "{ran}");
        assert!(ran.stderr.contains(code), "{code}: {ran}");
        assert_eq!(tap.changes(), Vec::<String>::new(), "{ran}");
    };
    refused(&deploy(&["--image", &shop.image("9")]), "QS301");
    {
        let _listener = TcpListener::bind(("127.0.0.1", shop.port)).expect("the port");
        refused(&deploy(&["--image", &image]), "QS201");
    }
    let env = std::fs::read_to_string(shop.path().join(".env")).expect("a file");
    shop.write(".env", "DATABASE_URL=\n");
    refused(&deploy(&["--image", &image]), "QS101");
    shop.write(".env", &env);
    shop.write("Dockerfile", &format!("FROM alpine:3.22\nENV API_TOKEN={}\n", planted()));
    refused(&deploy(&["--image", &image]), "QS106");
    std::fs::remove_file(shop.path().join("Dockerfile")).expect("removed");
    assert!(!tap.asked().is_empty(), "the engine was asked");
    assert!(!shop.state().join("router").exists(), "no router was started");
}

/// A workflow that leaves ECS with what it had.
const STALE: &str = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: docker push r/shop:$GITHUB_SHA; aws ecs update-service --cluster shop --service shop --force-new-deployment\n";

#[test]
fn check_refuses_what_deploy_refuses_and_nothing_else() {
    let shop = Shop::with_images(&["1"]);
    shop.configure(&format!("image = \"{}\"", shop.image("1")));
    std::fs::create_dir_all(shop.path().join(".github/workflows")).expect("a folder");
    shop.write(".github/workflows/deploy.yml", STALE);
    let checked = shop.ends(0, &["check", "--format", "json"]);
    let of_pipeline = codes(&checked).into_iter().filter(|(code, _)| code.starts_with("QS8"));
    let of_pipeline: Vec<_> = of_pipeline.collect();
    assert!(of_pipeline.iter().any(|(code, _)| code == "QS802"), "{checked}");
    assert!(of_pipeline.iter().all(|(_, severity)| severity != "error"), "{checked}");
    assert_eq!(checked.json()["refuses"], false);
    shop.ends(0, &["plan"]);

    // Without a quickserve.toml the workflow is what deploys, and with one that is wrong it still is not.
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("a file");
    shop.write("quickserve.toml", "sevrice = \"shop\"\n");
    let wrong = shop.ends(3, &["check", "--format", "json"]);
    assert!(!errors(&wrong).contains(&"QS802".to_owned()), "{wrong}");
    let named = shop.ends(3, &["check", "--env-file", ".env", "--format", "json"]);
    assert!(errors(&named).contains(&"QS802".to_owned()), "{named}");
    assert_eq!(named.json()["refuses"], true);

    // What this version cannot do refuses both, whatever is accepted.
    let stages = "\n[stages]\nlint = \"true\"\n[findings]\nQS601 = \"not needed\"\n";
    shop.write("quickserve.toml", &format!("{text}{stages}"));
    let refused = shop.ends(3, &["check", "--format", "json"]);
    assert_eq!(errors(&refused), ["QS601"], "{refused}");
    let refused = shop.ends(3, &["deploy"]);
    assert!(refused.stderr.contains("QS601"), "{refused}");
    let unknown = shop.ends(2, &["check", "--strategy", "sideways"]);
    assert!(unknown.stderr.contains("there is no strategy sideways"), "{unknown}");
}

/// A secret of a well-known shape, which no file of this repository holds.
fn planted() -> String {
    ["sk", "live", "51Hq8ZtKx0vN3bYcR7eWmPqL2"].join("_")
}

#[test]
fn no_format_shows_a_secret() {
    let shop = Shop::empty();
    case_study(&shop);
    let secret = planted();
    shop.write(
        ".env",
        &format!("STRIPE_API_KEY={secret}\nDATABASE_URL=postgresql://shop:{secret}@db/shop\nPORT={secret}\n"),
    );
    shop.write(
        "Dockerfile",
        &format!("FROM node:22-alpine\nENV STRIPE_API_KEY={secret}\nARG TOKEN={secret}\nRUN echo {secret}\n"),
    );
    shop.write(
        "server.js",
        &format!("const key = \"{secret}\";\nconsole.log(process.env.STRIPE_API_KEY);\n"),
    );
    let definition =
        std::fs::read_to_string(shop.path().join("deploy/aws-task-definition.json")).expect("a file");
    let plain = format!("\"environment\": [\n{{\"name\": \"STRIPE_API_KEY\", \"value\": \"{secret}\"}},");
    shop.write("deploy/aws-task-definition.json", &definition.replacen("\"environment\": [", &plain, 1));
    shop.write(".github/workflows/deploy.yml", &format!("on: push\njobs:\n  a:\n    runs-on: x\n    env:\n      KEY: {secret}\n    steps:\n      - run: echo {secret}\n"));
    shop.write("broken.json", &format!("{{ \"a\": \"{secret}\" "));
    let all: [&[&str]; 6] = [
        &["check"],
        &["check", "-v"],
        &["check", "--format", "json"],
        &["check", "--format", "sarif"],
        &["check", "--format", "github"],
        &["check", "--task-definition", "broken.json", "--env-file", ".env"],
    ];
    for arguments in all {
        let ran = shop.run(arguments);
        assert_eq!(ran.code, 3, "{ran}");
        assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret), "{arguments:?} shows it");
    }
}

#[test]
fn files_that_cannot_be_read_are_findings_with_their_place() {
    let shop = Shop::empty();
    let write = |name: &str, bytes: &[u8]| std::fs::write(shop.path().join(name), bytes).expect("a file");
    write("yaml.json", b"family: shop\n");
    write("broken.json", b"{\n  \"family\": \"shop\",\n}\n");
    write("bom.json", "\u{feff}{\"family\": 1}".as_bytes());
    write("latin.json", b"{\"family\": \"caf\xe9\"}");
    write("deep.json", "[".repeat(200_000).as_bytes());
    std::os::unix::fs::symlink("loop.json", shop.path().join("loop.json")).expect("a link");
    std::fs::File::create(shop.path().join("huge.json"))
        .and_then(|file| file.set_len(100 << 20))
        .expect("a sparse file");
    std::fs::create_dir(shop.path().join("folder.json")).expect("a folder");
    for name in ["yaml", "broken", "bom", "latin", "deep", "loop", "huge", "folder", "absent"] {
        let name = format!("{name}.json");
        let ran = shop.run(&["check", "--format", "json", "--task-definition", &name]);
        assert_eq!(ran.code, 3, "{ran}");
        let json = ran.json();
        let first = json["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .find(|finding| finding["severity"] == "error");
        let place = &first.expect("an error")["where"];
        assert!(place["file"] == *name || place["resource"] == *name, "{name}: {json}");
    }
    // CRLF is no fault, and moves no place.
    write(".env.example", b"A=1\r\nB = 2\r\n\r\nC=\r\n");
    write("Dockerfile", b"FROM alpine:3.22\r\nUSER 65532\r\n");
    let ran =
        shop.run(&["check", "--env-file", ".env.example", "--dockerfile", "Dockerfile", "--format", "json"]);
    assert_eq!(errors(&ran), Vec::<String>::new(), "{ran}");
}

#[test]
fn a_flag_that_nothing_gives_a_meaning_is_a_mistake() {
    let shop = Shop::empty();
    shop.write("Dockerfile", "FROM alpine:3.22\nUSER 65532\n");
    shop.write("prod.env", "PORT=80\n");
    let table: [(&[&str], &str); 6] = [
        (&["check", "-e", "production"], "-e chooses in quickserve.toml, and there is none"),
        (&["check", "--service", "shop"], "--service chooses in quickserve.toml, and there is none"),
        (&["check", "--strategy", "rolling"], "--strategy chooses in quickserve.toml, and there is none"),
        (&["env", "scan", "-e", "production"], "-e chooses in quickserve.toml, and there is none"),
        (
            &["check", "--dockerfile", "Dockerfile", "-e", "x"],
            "-e chooses in quickserve.toml, and there is none",
        ),
        (
            &["check", "--env-file", "prod.env", "--service", "x"],
            "--service chooses in quickserve.toml, and there",
        ),
    ];
    for (arguments, said) in table {
        let ran = shop.ends(2, arguments);
        assert!(ran.stderr.contains(said), "{arguments:?}: {ran}");
    }
    // Whose values a file holds is said by it, and a variable is set for other commands as well.
    shop.ends(0, &["check", "--env-file", "prod.env", "-e", "production"]);
    let ran = shop.run_with(&[("QUICKSERVE_ENVIRONMENT", "production")], &["check"]);
    assert_eq!(ran.code, 0, "{ran}");
}

#[test]
fn nothing_to_check_says_what_to_name() {
    snapshot("check_nothing", &Shop::empty().run(&["check"]));
}

#[test]
fn every_finding_is_explained() {
    let shop = Shop::empty();
    snapshot("explain_page", &shop.ends(0, &["explain", "QS412"]));
    let list = shop.ends(0, &["explain"]).stdout;
    assert!(list.lines().count() > 60, "{list}");
    assert!(list.lines().all(|line| line.starts_with("QS")), "{list}");
}

/// Not in the snapshot: fixtures are the owner's own words.
#[test]
fn the_fixtures_are_what_the_case_study_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/case-study");
    let there: Vec<PathBuf> = [
        ".env.example",
        "Dockerfile",
        ".dockerignore",
        "server.js",
        "healthcheck.js",
        "deploy/deploy.sh",
        "deploy/aws-task-definition.json",
        ".github/workflows/deploy.yml",
    ]
    .iter()
    .map(|name| root.join(name))
    .filter(|path| !path.is_file())
    .collect();
    assert_eq!(there, Vec::<PathBuf>::new(), "missing fixtures");
}
