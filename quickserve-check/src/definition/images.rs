//! Images: named by a tag that can move, by none, or by a placeholder that ECS would take as it is.

use quickserve_core::finding::{Code, Finding, Severity};

use super::{Container, Definition};
use crate::placeholder::foreign;
use crate::workflow::scripts::normal;
use crate::workflow::{Replaced, is_replaced};
use crate::{Facts, Subject};

/// What pins an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pin<'a> {
    Digest,
    Tag(&'a str),
    Nothing,
}

fn pin(image: &str) -> Pin<'_> {
    if image.contains('@') {
        return Pin::Digest;
    }
    // A colon before the last slash is that of the registry's port.
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').map_or(Pin::Nothing, |(_, tag)| Pin::Tag(tag))
}

/// ECS documentation, "Best practices for container images": each task pulls what the tag means then, so that two
/// tasks of one revision may differ, and there is nothing to roll back to.
pub(super) fn mutable_tags(definition: &Definition, subject: &Subject) -> Vec<Finding> {
    let main = definition.main(subject).map(|container| container.name());
    let is_main = |container: &Container<'_>| main == Some(container.name());
    let containers = definition.containers().into_iter();
    // The settings' own image takes the place of the main container's.
    let containers = containers.filter(|container| subject.image.is_none() || !is_main(container));
    containers
        .filter_map(|container| mutable_tag(definition, subject, container, is_main(&container)))
        .collect()
}

fn mutable_tag(
    definition: &Definition,
    subject: &Subject,
    container: Container<'_>,
    is_main: bool,
) -> Option<Finding> {
    let (file, node, name) = (&definition.file, container.image()?, container.name());
    let image = definition.filled(node)?;
    let released = subject.environment.as_deref().is_some_and(|environment| environment != "local");
    let (code, span) = (Code::MUTABLE_TAG, &node.span);
    let moving = |message: String| {
        let finding = if is_main && released && subject.is_for_ecs() {
            file.error(code, span, message)
        } else {
            file.warning(code, span, message)
        };
        finding
            .with_hint("name a version, better a digest: two tasks may run different images under this name")
    };
    if image.is_empty() {
        let finding = file.error(Code::DEFINITION_REJECTED, span, format!("the image of {name} is empty"));
        return Some(finding.with_hint("name the image, best with its digest"));
    }
    match pin(&image) {
        Pin::Digest => None,
        Pin::Nothing => Some(moving(format!("the image of {name} has no tag, which means `latest`"))),
        Pin::Tag("latest") => Some(moving(format!("the image of {name} is `latest`, whatever that is then"))),
        Pin::Tag(tag) => {
            let message = format!("the image of {name} is named by the tag {tag}, which can be moved");
            let hint =
                "add the digest, such as name:1.8.2@sha256:..., or make the repository's tags immutable";
            Some(file.info(code, span, message).with_hint(hint))
        }
    }
}

/// An image that pipelines replace before they register the definition is no image that is deployed.
pub(super) fn replaced(definition: &Definition, subject: &Subject, facts: &Facts, findings: &mut [Finding]) {
    let path = subject.definition.as_deref().and_then(normal);
    let Some(path) = path else { return };
    for (index, container) in definition.containers().iter().enumerate() {
        let Some(node) = container.image() else { continue };
        let place = definition.file.source().place(node.span.start);
        let of_image = |finding: &&mut Finding| {
            finding.code == Code::MUTABLE_TAG
                && finding.severity > Severity::Info
                && finding.place() == Some(&place)
        };
        let Some(finding) = findings.iter_mut().find(of_image) else { continue };
        let image = node.as_str().unwrap_or_default();
        if is_replaced(&facts.pipelines, &path, Replaced { name: container.name(), index, image }) {
            finding.severity = Severity::Info;
            finding.message.push_str("; a pipeline replaces it before it is registered");
        }
    }
}

/// ECS takes a placeholder of another tool for the name, and refuses its characters.
pub(super) fn placeholders(definition: &Definition, subject: &Subject) -> Vec<Finding> {
    let main = definition.main(subject).map(|container| container.name());
    let containers = definition.containers().into_iter();
    let given = |container: &Container<'_>| subject.image.is_some() && main == Some(container.name());
    let containers = containers.filter(|container| !given(container));
    let found = containers.filter_map(|container| {
        let node = container.image()?;
        let text = node.as_str()?;
        // The core reports the placeholders that are its own.
        let mark = foreign(text).filter(|_| !text.contains("${"))?;
        let message = format!("the image of {} holds {mark}, which ECS takes as it is", container.name());
        let hint = "let what registers the definition fill it in; QuickServe fills in ${NAME}";
        Some(definition.file.info(Code::UNRESOLVED_PLACEHOLDER, &node.span, message).with_hint(hint))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_a_registry_is_no_tag() {
        assert_eq!(pin("localhost:5000/app"), Pin::Nothing);
        assert_eq!(pin("localhost:5000/app:1"), Pin::Tag("1"));
        assert_eq!(pin("app@sha256:00"), Pin::Digest);
        assert_eq!(pin("app:1@sha256:00"), Pin::Digest);
        assert_eq!(pin(""), Pin::Nothing);
    }
}
