//! The task definition of a release: the document that a person wrote, with what a release decides.

use std::collections::BTreeMap;

use quickserve_core::release::{Image, Release};
use quickserve_core::workload::{Container, substitute};
use quickserve_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::json::Object;
use super::written;

/// By this tag a release's definition is found again.
pub(crate) const RELEASE_TAG: &str = "quickserve:release";
/// The version that people know, beside it.
const VERSION_TAG: &str = "quickserve:version";
/// The variable that tells a container its release.
const RELEASE_VARIABLE: &str = "QUICKSERVE_RELEASE";
/// The variable that tells a container its version, unless the workload sets it.
const VERSION_VARIABLE: &str = "IMAGE_TAG";

/// What `DescribeTaskDefinition` answers and `RegisterTaskDefinition` refuses. ECS API reference,
/// `TaskDefinition` beside `RegisterTaskDefinition`.
pub(crate) const DESCRIBED_ONLY: &[&str] = &[
    "compatibilities",
    "deleteRequestedAt",
    "deregisteredAt",
    "registeredAt",
    "registeredBy",
    "requiresAttributes",
    "revision",
    "status",
    "taskDefinitionArn",
];

/// What `valueFrom` is for each secret variable, by container and variable.
pub(super) type References = BTreeMap<(String, String), String>;

/// A definition as ECS gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registrable {
    pub(super) family: String,
    pub(super) body: String,
}

/// A variable or a tag of a definition, members that are not known included.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// Whether a tag is put on by us, and for one release only.
pub(super) fn is_ours(tag: &Tag) -> bool {
    tag.key == RELEASE_TAG || tag.key == VERSION_TAG
}

/// The body of `RegisterTaskDefinition` for a release.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for a release without a document, [`ErrorKind::Invalid`] where the document and the
/// release do not belong together, or where a placeholder is left whose value the release does not hold.
pub(super) fn registrable(release: &Release, family: &str, secrets: &References) -> Result<Registrable> {
    let Some(document) = &release.workload.document else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("register release {:#} with ECS: it was made without a task definition", release.id),
        )
        .with_hint("name one in quickserve.toml: task_definition = \"deploy/task-definition.json\""));
    };
    let mut definition: Object = serde_json::from_str(document).map_err(|error| {
        Error::new(ErrorKind::Invalid, "read the task definition of the release").with_source(error)
    })?;
    definition.drop(DESCRIBED_ONLY);
    let family = definition.get("family")?.unwrap_or_else(|| family.to_owned());
    definition.set("family", &family)?;
    let mut containers: Vec<Object> = definition.get("containerDefinitions")?.unwrap_or_default();
    let as_written = containers.clone();
    for container in &mut containers {
        complete(container, release, secrets)?;
    }
    definition.set("containerDefinitions", &containers)?;
    let mut tags: Vec<Tag> = definition.get("tags")?.unwrap_or_default();
    tags.retain(|tag| !is_ours(tag));
    tags.push(Tag { key: RELEASE_TAG.to_owned(), value: release.id.to_string() });
    tags.push(Tag { key: VERSION_TAG.to_owned(), value: tag_value(&release.version) });
    definition.set("tags", &tags)?;
    filled(&definition)?;
    // Placeholders are left in what is kept for whoever reads it as the live definition.
    for (container, as_written) in containers.iter_mut().zip(&as_written) {
        written::keep(container, as_written)?;
    }
    definition.set("containerDefinitions", &containers)?;
    let body = serde_json::to_string(&definition)
        .map_err(|error| Error::new(ErrorKind::Unexpected, "write the task definition").with_source(error))?;
    Ok(Registrable { family, body })
}

/// Writes what the release decides into a container's definition.
fn complete(definition: &mut Object, release: &Release, secrets: &References) -> Result<()> {
    let name: String = definition.get("name")?.unwrap_or_default();
    let unknown = |what: &str| {
        let message = format!("register release {:#}: container {name} has no {what} in it", release.id);
        Error::new(ErrorKind::Invalid, message)
    };
    let image = release.images.get(&name).ok_or_else(|| unknown("image"))?;
    let container = release.workload.container(&name).ok_or_else(|| unknown("workload"))?;
    definition.set("image", &reference(image))?;
    environment(definition, container, release)?;
    for (field, words) in [("command", &container.command), ("entryPoint", &container.entry_point)] {
        // Placeholders in it are filled in by now; without any it is what stands there.
        if let (Some(words), Some(_)) = (words, definition.get::<Vec<String>>(field)?) {
            definition.set(field, words)?;
        }
    }
    health_check(definition, container)?;
    references(definition, &name, secrets)
}

fn environment(definition: &mut Object, container: &Container, release: &Release) -> Result<()> {
    let mut variables: Vec<Object> = definition.get("environment")?.unwrap_or_default();
    let release_id = release.id.to_string();
    let mut wanted: BTreeMap<&str, &str> =
        container.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    wanted.insert(RELEASE_VARIABLE, &release_id);
    if !container.secrets.contains_key(VERSION_VARIABLE) {
        wanted.entry(VERSION_VARIABLE).or_insert(&release.version);
    }
    for variable in &mut variables {
        let name: Option<String> = variable.get("name")?;
        if let Some(value) = name.and_then(|name| wanted.remove(name.as_str())) {
            variable.set("value", &value)?;
        }
    }
    for (name, value) in wanted {
        let mut variable = Object::default();
        variable.set("name", &name)?;
        variable.set("value", &value)?;
        variables.push(variable);
    }
    definition.set("environment", &variables)
}

fn health_check(definition: &mut Object, container: &Container) -> Result<()> {
    let Some(health) = &container.health_check else { return Ok(()) };
    let Some(mut written) = definition.get::<Object>("healthCheck")? else { return Ok(()) };
    if written.get::<Vec<String>>("command")?.is_some() {
        written.set("command", &health.command)?;
    }
    definition.set("healthCheck", &written)
}

fn references(definition: &mut Object, container: &str, secrets: &References) -> Result<()> {
    let Some(mut written) = definition.get::<Vec<Object>>("secrets")? else { return Ok(()) };
    for secret in &mut written {
        let variable: String = secret.get("name")?.unwrap_or_default();
        if let Some(reference) = secrets.get(&(container.to_owned(), variable)) {
            secret.set("valueFrom", reference)?;
        }
    }
    definition.set("secrets", &written)
}

/// `name:tag@digest`: the digest decides what runs, the tag stays visible. An image without a tag goes as
/// `name@digest`.
///
/// The ECS agent itself reports images in this form where it resolved a tag (amazon-ecs-agent#4226).
fn reference(image: &Image) -> String {
    let named = image.reference.split('@').next().unwrap_or_default();
    format!("{named}@{}", image.digest)
}

/// ECS API reference, `Tag`: letters, numbers, spaces and `+ - = . _ : / @`, at most 256.
fn tag_value(text: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
    text.chars().map(|c| if allowed(c) { c } else { '_' }).take(256).collect()
}

/// Refuses placeholders that are left: ECS would take them as they stand.
fn filled(definition: &Object) -> Result<()> {
    for (name, text) in definition.members().filter(|(name, _)| *name != "containerDefinitions") {
        no_placeholder(name, text)?;
    }
    let containers: Vec<Object> = definition.get("containerDefinitions")?.unwrap_or_default();
    for container in &containers {
        // A shell inside the container has placeholders of its own in these.
        let ours = ["command", "entryPoint", "healthCheck", "environment"];
        for (name, text) in container.members().filter(|(name, _)| !ours.contains(name)) {
            no_placeholder(name, text)?;
        }
    }
    Ok(())
}

fn no_placeholder(field: &str, text: &str) -> Result<()> {
    let Err(left) = substitute::strict(text, &BTreeMap::new()) else { return Ok(()) };
    let names: Vec<String> = left.iter().map(|placeholder| placeholder.text.clone()).collect();
    let message = format!("register the task definition: `{field}` holds {}", names.join(", "));
    Err(Error::new(ErrorKind::Invalid, message).with_hint(
        "placeholders are filled in images, variables, secrets and commands; write the value itself here",
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quickserve_core::release::Digest;
    use quickserve_core::workload::{Reading, TaskDefinition};
    use serde_json::{Value, json};

    use super::*;

    const WRITTEN: &str = r#"{
      "family": "shop", "revision": 7, "status": "ACTIVE", "taskDefinitionArn": "arn:x", "registeredBy": "ada",
      "requiresAttributes": [{"name": "a"}], "compatibilities": ["EC2"], "registeredAt": 1764376411.25,
      "madeUp": {"kept": [1.50, 1e3]},
      "tags": [{"key": "team", "value": "shop"}, {"key": "quickserve:release", "value": "r-old"}],
      "containerDefinitions": [{
        "name": "app", "image": "ghcr.io/acme/shop:${IMAGE_TAG}", "portMappings": [{"containerPort": 3000}],
        "newField": true,
        "environment": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "VERSION", "value": "${IMAGE_TAG}"}],
        "secrets": [{"name": "DB", "valueFrom": "shop/db"}],
        "command": ["serve", "--as", "${IMAGE_TAG}", "${HOSTNAME}"]
      }]
    }"#;

    fn release_of(document: &str, tag: &str) -> Release {
        let reading = Reading {
            values: BTreeMap::from([("IMAGE_TAG".to_owned(), tag.to_owned())]),
            variables: BTreeMap::from([("EXTRA".to_owned(), "1".to_owned())]),
            ..Reading::default()
        };
        let read = TaskDefinition::read(document, &reading).expect("a definition");
        let image = Image {
            reference: format!("ghcr.io/acme/shop:{tag}"),
            digest: Digest::of(tag.as_bytes()),
            manifest: None,
        };
        let images = BTreeMap::from([("app".to_owned(), image)]);
        Release::new(tag, images, Vec::new(), read.workload, None).expect("a release")
    }

    fn registered(release: &Release) -> Value {
        let pinned = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/db-AbCdEf:::v1".to_owned();
        let secrets = References::from([(("app".to_owned(), "DB".to_owned()), pinned)]);
        let registrable = registrable(release, "quickserve", &secrets).expect("registrable");
        serde_json::from_str(&registrable.body).expect("JSON")
    }

    #[test]
    fn what_the_release_decides_is_in_it_and_the_rest_is_as_written() {
        let release = release_of(WRITTEN, "1.8.2");
        let body = registered(&release);
        let container = &body["containerDefinitions"][0];
        let digest = Digest::of(b"1.8.2");
        assert_eq!(container["image"], format!("ghcr.io/acme/shop:1.8.2@{digest}"));
        assert_eq!(
            container["environment"],
            json!([
                {"name": "LOG_LEVEL", "value": "info"}, {"name": "VERSION", "value": "1.8.2"},
                {"name": "EXTRA", "value": "1"}, {"name": "IMAGE_TAG", "value": "1.8.2"},
                {"name": "QUICKSERVE_RELEASE", "value": release.id.as_str()},
            ])
        );
        assert!(container["secrets"][0]["valueFrom"].as_str().expect("a reference").ends_with(":::v1"));
        assert_eq!(container["command"], json!(["serve", "--as", "1.8.2", "${HOSTNAME}"]));
        assert_eq!(container["newField"], true);
        for gone in DESCRIBED_ONLY {
            assert_eq!(body.get(gone), None, "{gone}");
        }
        assert_eq!(
            body["tags"],
            json!([
                {"key": "team", "value": "shop"}, {"key": "quickserve:release", "value": release.id.as_str()},
                {"key": "quickserve:version", "value": "1.8.2"},
            ])
        );
    }

    #[test]
    fn a_made_up_field_keeps_its_digits() {
        let release = release_of(WRITTEN, "1");
        let body = registrable(&release, "quickserve", &References::new()).expect("registrable").body;
        assert!(body.contains(r#""madeUp":{"kept": [1.50, 1e3]}"#), "{body}");
    }

    #[test]
    fn the_same_release_is_the_same_body() {
        let body =
            |release: &Release| registrable(release, "f", &References::new()).expect("registrable").body;
        assert_eq!(body(&release_of(WRITTEN, "1")), body(&release_of(WRITTEN, "1")));
        assert_ne!(body(&release_of(WRITTEN, "1")), body(&release_of(WRITTEN, "2")));
    }

    #[test]
    fn a_placeholder_that_would_reach_ecs_is_refused() {
        let document = WRITTEN
            .replace(r#""madeUp""#, r#""executionRoleArn": "arn:aws:iam::1:role/${IMAGE_TAG}", "madeUp""#);
        let error =
            registrable(&release_of(&document, "1"), "f", &References::new()).expect_err("a placeholder");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("`executionRoleArn` holds ${IMAGE_TAG}"), "{error}");
    }

    #[test]
    fn a_release_without_a_definition_is_refused() {
        let mut release = release_of(WRITTEN, "1");
        release.workload.document = None;
        let error = registrable(&release, "f", &References::new()).expect_err("no document");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn an_image_by_its_digest_alone_has_no_tag() {
        let digest = Digest::of(b"x");
        let image = Image { reference: format!("shop@{digest}"), digest: digest.clone(), manifest: None };
        assert_eq!(reference(&image), format!("shop@{digest}"));
    }
}
