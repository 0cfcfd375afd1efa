//! QS410 for Spring Boot: `/actuator/health` is up only where all that is behind the service is.

use std::path::{Path, PathBuf};

use quickserve_core::finding::{Code, Finding};

use crate::code::Language;
use crate::definition::{Container, Definition};
use crate::{Facts, Subject, inside};

/// Where projects name what they depend on.
const MANIFESTS: [&str; 3] = ["pom.xml", "build.gradle", "build.gradle.kts"];

/// What of Spring Boot brings an indicator of its own into `/actuator/health`. Its reference, "Health Information":
/// those that are configured by themselves.
const BEHIND: [(&str, &str); 8] = [
    ("spring-boot-starter-data-jpa", "database"),
    ("spring-boot-starter-jdbc", "database"),
    ("spring-boot-starter-data-jdbc", "database"),
    ("spring-boot-starter-data-r2dbc", "database"),
    ("spring-boot-starter-data-mongodb", "MongoDB"),
    ("spring-boot-starter-data-redis", "Redis"),
    ("spring-boot-starter-amqp", "RabbitMQ"),
    ("spring-boot-starter-data-elasticsearch", "Elasticsearch"),
];

/// What settings have that choose among the indicators, by name or altogether.
const CHOOSES: [&str; 8] = [
    "management.health.",
    "management.endpoint.health.group",
    "management.endpoint.health.status",
    "management.endpoints.web.path-mapping",
    "defaults:",
    "path-mapping:",
    "http-mapping:",
    "group:",
];

/// The finding where the container's health check asks for the state of everything. Nothing where settings choose what
/// belongs to it.
pub(super) fn health(
    subject: &Subject,
    facts: &Facts,
    definition: &Definition,
    main: Container<'_>,
) -> Option<Finding> {
    let url = main.health_url()?;
    let path = url.path.split('?').next().unwrap_or_default();
    if path.trim_end_matches('/') != "/actuator/health" {
        return None;
    }
    let text = |path: &Path| Some(inside::read(subject, path).ok()?.text);
    let manifests: Vec<String> = MANIFESTS
        .iter()
        .map(Path::new)
        .filter(|path| facts.code.files.contains(*path))
        .filter_map(text)
        .collect();
    let depends = |name: &str| manifests.iter().any(|manifest| manifest.contains(name));
    let (_, behind) = BEHIND.iter().find(|(name, _)| depends(name))?;
    let is_setting = |path: &&PathBuf| Language::of(path) == Some(Language::Spring);
    let settings = facts.code.files.iter().filter(is_setting).filter_map(|path| text(path));
    let chooses = |text: String| CHOOSES.iter().any(|word| text.contains(word)) || switches(&text);
    if !depends("spring-boot-starter-actuator") || settings.into_iter().any(chooses) {
        return None;
    }
    let message = format!("{path} is down when the {behind} is: an outage of it ends every task");
    let hint = "ask /actuator/health/liveness, with management.endpoint.health.probes.enabled=true";
    Some(definition.file.warning(Code::LIVENESS_DEPENDS, &url.span, message).with_hint(hint))
}

/// Whether settings in YAML have an indicator under `management` and `health`.
fn switches(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let indicators = ["db:", "mongo:", "redis:", "rabbit:", "elasticsearch:", "r2dbc:"];
    lines.any(|line| line == "health:") && lines.any(|line| indicators.contains(&line))
}
