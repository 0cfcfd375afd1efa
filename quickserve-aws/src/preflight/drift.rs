//! QS620: what runs was registered by us, or does not differ from the file.

use std::collections::BTreeSet;

use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;
use quickserve_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::subject::Subject;
use crate::clients::Clients;
use crate::ecs::{DESCRIBED_ONLY, Live, RELEASE_TAG, described};

/// How many fields are named.
const NAMED: usize = 8;
/// What a release decides, and what names a definition.
const DECIDED: &[&str] = &["containerDefinitions", "family", "image", "tags"];
/// Lists whose items have names.
const NAMED_LISTS: &[&str] = &["environment", "secrets", "volumes"];

pub(super) async fn drift(clients: &Clients, subject: &Subject, live: Option<&Live>) -> Result<Report> {
    let (Some(live), Some(document)) = (live, &subject.workload.document) else {
        return Ok(Report::default());
    };
    let Some(revision) = live.service.task_definition() else { return Ok(Report::default()) };
    let (read, answer) = described(clients.ecs(), revision).await?;
    // What we have registered differs by what is deployed now, which the plan says.
    if read.tags().iter().any(|tag| tag.key() == Some(RELEASE_TAG)) {
        return Ok(Report::of(Vec::new()));
    }
    let unreadable =
        |error| Error::new(ErrorKind::Unexpected, "read the live task definition").with_source(error);
    let file: Value = serde_json::from_str(document).map_err(unreadable)?;
    let live: Value = serde_json::from_str(&answer).map_err(unreadable)?;
    Ok(judge(revision, &differences(&file, &live["taskDefinition"])))
}

fn judge(revision: &str, fields: &BTreeSet<String>) -> Report {
    if fields.is_empty() {
        return Report::of(Vec::new());
    }
    let revision = revision.rsplit('/').next().unwrap_or(revision);
    let named: Vec<&str> = fields.iter().take(NAMED).map(String::as_str).collect();
    let more = match fields.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{revision} serves, which QuickServe did not register; this deployment changes {}{more}",
        named.join(", ")
    );
    let hint = "bring what was changed into the file, or let this deployment undo it";
    Report::of(vec![Finding::new(Code::DRIFT, Severity::Warning, message).on(revision).with_hint(hint)])
}

/// The names of the fields in which a file and a described definition differ. ECS fills in defaults: what the file does
/// not say is told only where it is a value that somebody must have given.
fn differences(file: &Value, live: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    objects("", file, live, &mut fields);
    let containers = |of: &Value| of["containerDefinitions"].as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (containers(file), containers(live));
    let name = |container: &Value| container["name"].as_str().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = ours.iter().chain(&theirs).map(name).collect();
    for container in names {
        let find = |all: &[Value]| all.iter().find(|it| name(it) == container).cloned();
        match (find(&ours), find(&theirs)) {
            (Some(ours), Some(theirs)) => objects(&format!("{container}."), &ours, &theirs, &mut fields),
            _ => drop(fields.insert(container)),
        }
    }
    fields
}

fn objects(prefix: &str, file: &Value, live: &Value, fields: &mut BTreeSet<String>) {
    let (none, nothing) = (Map::new(), Value::Null);
    let ours = file.as_object().unwrap_or(&none);
    let theirs = live.as_object().unwrap_or(&none);
    for (key, value) in ours.iter().filter(|(key, _)| !DECIDED.contains(&key.as_str())) {
        let live = theirs.get(key).unwrap_or(&nothing);
        if NAMED_LISTS.contains(&key.as_str()) {
            named(&format!("{prefix}{key}."), value, live, fields);
        } else if !covers(live, value) {
            fields.insert(format!("{prefix}{key}"));
        }
    }
    for (key, value) in theirs.iter().filter(|(key, _)| !ours.contains_key(*key)) {
        if is_given(key, value) {
            fields.insert(format!("{prefix}{key}"));
        }
    }
}

fn named(prefix: &str, file: &Value, live: &Value, fields: &mut BTreeSet<String>) {
    let items = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (items(file), items(live));
    for item in ours.iter().chain(&theirs) {
        let name = item["name"].as_str().unwrap_or_default();
        let find = |all: &[Value]| all.iter().find(|it| it["name"] == item["name"]).cloned();
        let same = match (find(&ours), find(&theirs)) {
            (Some(ours), Some(theirs)) => covers(&theirs, &ours),
            _ => false,
        };
        if !same {
            fields.insert(format!("{prefix}{name}"));
        }
    }
}

/// Whether a described value is what a file says, defaults aside. A placeholder may stand for anything.
fn covers(live: &Value, file: &Value) -> bool {
    match (live, file) {
        (_, Value::String(text)) if text.contains("${") => true,
        (Value::Object(live), Value::Object(file)) => {
            file.iter().all(|(key, value)| covers(live.get(key).unwrap_or(&Value::Null), value))
        }
        (Value::Array(live), Value::Array(file)) => {
            live.len() == file.len() && live.iter().zip(file).all(|(live, file)| covers(live, file))
        }
        (Value::Null, file) => !is_given("", file),
        // `cpu` and `memory` of a task are numbers in text.
        (Value::String(text), Value::Number(number)) | (Value::Number(number), Value::String(text)) => {
            *text == number.to_string()
        }
        (live, file) => live == file,
    }
}

/// Whether somebody must have given a value: ECS fills in empty lists, zeroes, and that a container is essential.
fn is_given(key: &str, value: &Value) -> bool {
    if DECIDED.contains(&key) || DESCRIBED_ONLY.contains(&key) {
        return false;
    }
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth != (key == "essential"),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !(text.is_empty() || key == "networkMode" && text == "bridge"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file() -> Value {
        json!({ "family": "shop", "cpu": 256, "memory": "512", "containerDefinitions": [{
            "name": "app", "image": "shop:1", "portMappings": [{ "containerPort": 3000 }],
            "environment": [{ "name": "LOG_LEVEL", "value": "info" }, { "name": "URL", "value": "${URL}" }],
        }]})
    }

    /// As ECS describes it.
    fn live() -> Value {
        json!({ "family": "shop", "cpu": "256", "memory": "512", "revision": 7, "status": "ACTIVE", "volumes": [],
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/shop:7",
            "containerDefinitions": [{
                "name": "app", "image": "shop:0", "cpu": 0, "essential": true, "mountPoints": [],
                "portMappings": [{ "containerPort": 3000, "hostPort": 3000, "protocol": "tcp" }],
                "environment": [{ "name": "URL", "value": "https://shop" }, { "name": "LOG_LEVEL", "value": "info" }],
        }]})
    }

    #[test]
    fn defaults_images_and_placeholders_are_no_difference() {
        assert_eq!(differences(&file(), &live()), BTreeSet::new());
    }

    #[test]
    fn fields_that_differ_are_named_without_their_values() {
        let mut changed = live();
        changed["memory"] = json!("1024");
        changed["taskRoleArn"] = json!("arn:aws:iam::123456789012:role/task");
        let app = &mut changed["containerDefinitions"][0];
        app["environment"][1]["value"] = json!("hunter2");
        app["environment"][0]["name"] = json!("OTHER");
        app["stopTimeout"] = json!(60);
        let report = judge(
            "arn:aws:ecs:us-east-1:123456789012:task-definition/shop:7",
            &differences(&file(), &changed),
        );
        insta::assert_snapshot!(report.findings[0], @r"
        QS620 shop:7 serves, which QuickServe did not register; this deployment changes app.environment.LOG_LEVEL, app.environment.OTHER, app.environment.URL, app.stopTimeout, memory, taskRoleArn
          --> shop:7
          hint: bring what was changed into the file, or let this deployment undo it
        ");
    }
}
