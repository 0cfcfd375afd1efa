//! The live task definition as what a release is made from.

use quickserve_core::ErrorKind;
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::release::Digest;
use quickserve_core::rollout::ManagedRollout as _;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::register::{DOCUMENT, ecs};
use crate::support::{fence, release, spec};

#[tokio::test]
async fn without_a_service_there_is_none() {
    let fake = Fake::start().await;
    let error = ecs(&fake).live_definition().await.expect_err("no service");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().expect("a hint").contains("task_definition"), "{error:?}");
}

#[tokio::test]
async fn it_is_what_was_written_however_often_it_was_deployed() {
    let fake = Fake::start().await;
    let ecs = ecs(&fake);
    let written = DOCUMENT.replace(
        r#""name": "app","#,
        r#""name": "app", "newField": 1.50, "dockerLabels": {"team": "shop"},
           "environment": [{"name": "LOG_LEVEL", "value": "info"}],"#,
    );
    let deployed = release(&written, "ghcr.io/acme/shop", "1", Digest::of(b"1"));
    let revision = ecs.register(&fence(), &deployed).await.expect("registered");
    ecs.start(&fence(), None, &spec(&deployed, &revision, Some(1))).await.expect("started");
    let live = ecs.live_definition().await.expect("a document");
    assert!(live.contains(r#""newField":1.5"#), "{live}");
    let document: Value = serde_json::from_str(&live).expect("JSON");
    let container = &document["containerDefinitions"][0];
    assert_eq!(container["environment"], json!([{ "name": "LOG_LEVEL", "value": "info" }]));
    assert_eq!(container["dockerLabels"], json!({ "team": "shop" }));
    assert_eq!(document["tags"], json!([{ "key": "team", "value": "shop" }]));
    assert_eq!((&document["revision"], &document["status"]), (&Value::Null, &Value::Null));
    // The same image from it is the same definition again, and another image changes no more than that.
    let again = release(&live, "ghcr.io/acme/shop", "2", Digest::of(b"2"));
    ecs.register(&fence(), &again).await.expect("registered");
    let bodies: Vec<Value> = fake
        .seen("RegisterTaskDefinition")
        .iter()
        .map(|seen| serde_json::from_str(&seen.body).expect("JSON"))
        .collect();
    let labels = |body: &Value| body["containerDefinitions"][0]["dockerLabels"].clone();
    assert_eq!(labels(&bodies[0]), labels(&bodies[1]));
    assert_eq!(
        fake.state().violations,
        ["RegisterTaskDefinition.containerDefinitions[0].newField is unknown"; 2]
    );
}
