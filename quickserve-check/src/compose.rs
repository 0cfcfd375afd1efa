//! Compose files in the root of a project, as far as they touch what QuickServe deploys: the port that both would take, and
//! images that can be another one tomorrow. Secrets in them are found with those of all files.
//!
//! Compose runs a project for those who work on it: nothing here refuses a deployment.

use std::path::Path;

use quickserve_core::config::Platform;
use quickserve_core::document::{Entry, Node, Value};
use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::Report;

use crate::workflow::yaml;
use crate::{Facts, Subject, Text, inside};

/// The files that `docker compose` takes by itself, in its order. Docker documentation, "How Compose works".
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    let file = FILES.iter().map(Path::new).find(|path| facts.code.files.contains(*path));
    let Some(Ok(file)) = file.map(|path| inside::read(subject, path)) else { return Report::default() };
    // What is wrong with its syntax Compose itself says: it is no part of a deployment.
    let Ok(tree) = yaml::parse(file.source(), Code::WORKFLOW_SYNTAX) else { return Report::default() };
    let services = tree.get("services").and_then(Node::as_table).map(|table| table.entries.as_slice());
    let findings = services.unwrap_or_default().iter().flat_map(|service| {
        let port = port(subject, &file, service);
        moving(&file, service).into_iter().chain(port)
    });
    Report::of(findings.collect())
}

/// An image that another one can take the place of. One that is built here has a name of its own.
fn moving(file: &Text, service: &Entry) -> Option<Finding> {
    let image = service.node.get("image").filter(|_| service.node.get("build").is_none())?;
    let reference = image.as_str().filter(|reference| !reference.contains(['$', '@']))?;
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains(':') && !name.ends_with(":latest") {
        return None;
    }
    let message = format!("service {} runs {reference}, which can be another image tomorrow", service.key);
    let hint = "name the version that the environments have";
    Some(file.info(Code::MUTABLE_TAG, &image.span, message).with_hint(hint))
}

/// A port of this machine that the router takes too.
fn port(subject: &Subject, file: &Text, service: &Entry) -> Option<Finding> {
    let public = subject.public_port.filter(|_| subject.platform == Some(Platform::Docker))?;
    let mappings = service.node.get("ports").map(Node::items).unwrap_or_default();
    let mapping = mappings.iter().find(|mapping| published(mapping) == Some(public))?;
    let message = format!("service {} takes port {public}, which is the public port as well", service.key);
    let hint = "give one of the two another port: the second to start finds it held";
    Some(file.warning(Code::PORT_HELD, &mapping.span, message).with_hint(hint))
}

/// The one port of the host that a mapping names for TCP: `8080:80`, `127.0.0.1:8080:80/tcp`, or `published: 8080`.
fn published(mapping: &Node) -> Option<u16> {
    if mapping.get("protocol").and_then(Node::as_str) == Some("udp") {
        return None;
    }
    if let Some(node) = mapping.get("published") {
        return match &node.value {
            Value::Integer(port) => u16::try_from(*port).ok(),
            _ => node.as_str()?.parse().ok(),
        };
    }
    let (host, _) = mapping.as_str().filter(|mapping| !mapping.ends_with("/udp"))?.rsplit_once(':')?;
    host.rsplit(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::tests::{NONE, Project};
    use crate::check;

    fn told(services: &str) -> Vec<String> {
        let text = format!("services:\n{services}");
        let project = Project::new(&[("docker-compose.yml", &text)]);
        let mut subject = Subject::in_folder(project.root());
        (subject.platform, subject.public_port) = (Some(Platform::Docker), Some(8080));
        let findings = check(&subject).findings.into_iter();
        let own =
            findings.filter(|finding| finding.place().is_some_and(|place| place.file.contains("compose")));
        own.map(|finding| format!("{:?} {} {}", finding.severity, finding.code, finding.message)).collect()
    }

    #[test]
    fn a_port_that_both_take_is_told() {
        let message = "Warning QS201 service web takes port 8080, which is the public port as well";
        for port in ["\"8080:80\"", "127.0.0.1:8080:80", "\"8080:80/tcp\"", "{ target: 80, published: 8080 }"]
        {
            assert_eq!(
                told(&format!("  web:\n    build: .\n    ports:\n      - {port}\n")),
                [message],
                "{port}"
            );
        }
        for port in ["\"80:8080\"", "\"8080\"", "\"8081:80\"", "\"8000-8090:80\"", "\"${PORT}:80\"", "8080"] {
            assert_eq!(told(&format!("  web:\n    build: .\n    ports:\n      - {port}\n")), NONE, "{port}");
        }
    }

    #[test]
    fn an_image_that_moves_is_worth_knowing() {
        let message = "Info QS302 service db runs postgres, which can be another image tomorrow";
        assert_eq!(told("  db:\n    image: postgres\n"), [message]);
        assert_eq!(told("  db:\n    image: ghcr.io/a/postgres:latest\n").len(), 1);
        for service in [
            "image: postgres:17",
            "image: localhost:5000/postgres:17",
            "image: postgres@sha256:0",
            "image: postgres:${VERSION}",
            "image: web\n    build: .",
        ] {
            assert_eq!(told(&format!("  db:\n    {service}\n")), NONE, "{service}");
        }
        assert_eq!(told("\tdb: {}\n"), NONE, "Compose says that itself");
    }
}
