//! The image that is deployed is the one that was scanned, or nothing is deployed.

use quickserve_tests::Tap;
use serde_json::{Value, json};

use crate::support::{Ran, Shop, docker};

/// The image id of another image than any.
const OTHER: &str = "sha256:3333333333333333333333333333333333333333333333333333333333333333";

/// A report as Trivy writes it, of the image with that id.
fn report(id: &str) -> String {
    let metadata = json!({ "ImageID": id, "RepoTags": ["shop:1"], "RepoDigests": [] });
    json!({ "SchemaVersion": 2, "ArtifactName": "shop:1", "ArtifactType": "container_image", "Metadata": metadata })
        .to_string()
}

fn scanned(ran: &Ran) -> Vec<Value> {
    let findings = ran.json()["findings"].as_array().expect("findings").clone();
    findings.into_iter().filter(|finding| finding["code"] == "QS305").collect()
}

/// P1: nothing is asked of the engine that could change it.
#[test]
fn an_image_that_was_not_scanned_is_refused_before_anything_changes() {
    let shop = Shop::with_images(&["1"]);
    let image = shop.image("1");
    let tap = Tap::open(&shop.path());
    let run = |arguments: &[&str]| shop.run_with(&[("DOCKER_HOST", &tap.address())], arguments);
    shop.write("scan.json", &report(OTHER));
    let deploy = ["deploy", "--image", &image, "--scan-report", "scan.json"];
    let refused = run(&deploy);
    assert_eq!(refused.code, 3, "{refused}");
    assert!(
        refused.stderr.contains("QS305 Trivy has scanned sha256:333333333333, and container"),
        "{refused}"
    );
    let plan = run(&["plan", "--image", &image, "--scan-report", "scan.json"]);
    assert_eq!(plan.code, 3, "{plan}");
    let check = run(&["check", "--format", "json", "--image", &image, "--scan-report", "scan.json"]);
    assert_eq!((check.code, scanned(&check)[0]["severity"].as_str()), (3, Some("error")), "{check}");
    let absent = run(&["deploy", "--image", &image, "--scan-report", "no-such.json"]);
    assert!(
        absent.code == 3 && absent.stderr.contains("QS117 scan report no-such.json does not exist"),
        "{absent}"
    );
    // The same by quickserve.toml.
    shop.configure("stages = { scan = { report = \"scan.json\" } }");
    let configured = run(&["deploy", "--image", &image]);
    assert!(configured.code == 3 && configured.stderr.contains("QS305"), "{configured}");
    assert_eq!(tap.changes(), Vec::<String>::new());

    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &image]);
    shop.write("scan.json", &report(&id));
    let done = run(&["deploy", "--image", &image]);
    assert_eq!(done.code, 0, "{done}");
    assert_eq!(shop.version(), "1");
}

#[test]
fn how_grave_vulnerabilities_are_is_not_judged_and_not_passed_over() {
    let shop = Shop::with_images(&["1"]);
    shop.write("scan.json", &report(OTHER));
    shop.configure("stages = { scan = { report = \"scan.json\", fail_on = \"high\" } }");
    let refused = shop.ends(3, &["deploy", "--image", &shop.image("1")]);
    assert!(refused.stderr.contains("QS601 the stages scan must pass first"), "{refused}");
}

#[test]
fn a_pinned_image_is_compared_without_an_engine_too() {
    let shop = Shop::empty();
    let pinned = "ghcr.io/shop/web@sha256:4444444444444444444444444444444444444444444444444444444444444444";
    shop.configure(&format!("image = \"{pinned}\""));
    let report = report(OTHER)
        .replace("\"RepoDigests\":[]", &format!("\"RepoDigests\":[\"ghcr.io/shop/web@{OTHER}\"]"));
    shop.write("scan.json", &report);
    let arguments = ["check", "--format", "json", "--scan-report", "scan.json"];
    let check = shop.run_with(&[("DOCKER_HOST", "unix:///no/such/engine.sock")], &arguments);
    assert_eq!((check.code, scanned(&check)[0]["severity"].as_str()), (3, Some("error")), "{check}");
    // Without quickserve.toml, of a task definition.
    std::fs::remove_file(shop.path().join("quickserve.toml")).expect("removed");
    let task = json!({ "family": "web", "containerDefinitions": [{ "name": "web", "image": pinned }] });
    shop.write("task.json", &task.to_string());
    let check = shop.run(&[&arguments[..], &["--task-definition", "task.json"]].concat());
    assert_eq!(scanned(&check)[0]["severity"], "error", "{check}");
    shop.write("scan.json", &report.replace("3333", "4444"));
    let check = shop.run(&[&arguments[..], &["--task-definition", "task.json"]].concat());
    assert_eq!(scanned(&check), Vec::<Value>::new(), "{check}");
}
