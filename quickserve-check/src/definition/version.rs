//! Whether a task can say which version it is.

use std::collections::BTreeSet;

use quickserve_core::finding::{Code, Finding};

use super::{Definition, discretion};
use crate::Subject;

/// Variables by which code learns its version.
const VERSIONS: &[&str] = &[
    "IMAGE_TAG",
    "APP_VERSION",
    "APPLICATION_VERSION",
    "SERVICE_VERSION",
    "BUILD_VERSION",
    "RELEASE_VERSION",
    "DD_VERSION",
    "SENTRY_RELEASE",
    "GIT_SHA",
    "GIT_COMMIT",
    "COMMIT_SHA",
    "GIT_REVISION",
];

/// The finding where code reads its version from a variable that nobody gives it, so that it always answers
/// "unknown".
///
/// `reads` are the variables that the code reads; leave out those that the image itself has. With quickserve.toml
/// there is nothing to say: QuickServe sets the variable when it deploys.
pub fn hidden_version(definition: &Definition, subject: &Subject, reads: &BTreeSet<&str>) -> Option<Finding> {
    if subject.version_variable.is_some() {
        return None;
    }
    let container = definition.main(subject)?;
    let environment = container.environment().into_iter().map(|(name, ..)| name);
    let given: BTreeSet<&str> =
        environment.chain(container.secrets().into_iter().map(|(name, ..)| name)).collect();
    let read: Vec<&str> = VERSIONS.iter().copied().filter(|name| reads.contains(name)).collect();
    if read.iter().any(|name| given.contains(name)) {
        return None;
    }
    let name = read.first()?;
    let span = container.entry("environment").map_or(container.span(), |entry| entry.key_span.clone());
    let message = format!("{} is not given {name}, from which it reads its version", container.name());
    let hint = format!(
        "add {{\"name\": \"{name}\", \"value\": \"${{{name}}}\"}} to `environment`, \
                        or deploy with QuickServe, which sets it"
    );
    let file = &definition.file;
    discretion::keep_one(file, file.warning(Code::VERSION_HIDDEN, &span, message).with_hint(hint))
}
