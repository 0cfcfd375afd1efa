//! The task definition that the service runs, as a document: for teams whose infrastructure code owns it.

use quickserve_core::{Error, ErrorKind, Result};

use super::answer::described;
use super::definition::{DESCRIBED_ONLY, Tag, is_ours};
use super::json::Object;
use super::platform::Ecs;
use super::written;

impl Ecs {
    /// The task definition that the service heads for, as a document to make a release from: what only a description
    /// has is dropped, and what a release of ours has put into it is as it was written. All else, members that are not
    /// known here included, is as ECS answers it. Images are those of the definition: who deploys replaces them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without a service: there is no definition yet.
    pub async fn live_definition(&self) -> Result<String> {
        let live = self.live().await?;
        let primary = live.as_ref().and_then(|live| live.primary()).ok_or_else(|| {
            let message =
                format!("read the task definition of service {}: there is no such service", self.service());
            Error::new(ErrorKind::NotFound, message).with_hint(
                "name a file for the first deployment: task_definition = \"deploy/task-definition.json\"",
            )
        })?;
        document(&described(self.client(), &primary.revision).await?.1)
    }
}

/// The document of an answer to `DescribeTaskDefinition`.
fn document(answer: &str) -> Result<String> {
    let unreadable = |error| {
        Error::new(ErrorKind::Unexpected, "read ECS's answer to DescribeTaskDefinition").with_source(error)
    };
    let answer: Object = serde_json::from_str(answer).map_err(unreadable)?;
    let mut definition: Object = answer.get("taskDefinition")?.unwrap_or_default();
    definition.drop(DESCRIBED_ONLY);
    let mut containers: Vec<Object> = definition.get("containerDefinitions")?.unwrap_or_default();
    for container in &mut containers {
        written::restore(container)?;
    }
    definition.set("containerDefinitions", &containers)?;
    // Tags stand beside a described definition, and within one that is registered.
    let mut tags: Vec<Tag> = answer.get("tags")?.unwrap_or_default();
    tags.retain(|tag| !is_ours(tag));
    if !tags.is_empty() {
        definition.set("tags", &tags)?;
    }
    serde_json::to_string(&definition).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "write the live task definition").with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_description_has_is_gone_and_the_rest_is_as_it_came() {
        let answer = r#"{"taskDefinition": {"taskDefinitionArn": "arn:x", "revision": 7, "family": "shop",
            "madeUp": [1.50, 1e3], "containerDefinitions": [{"name": "app", "image": "x", "new": {"kept": 1.0}}]},
            "tags": [{"key": "team", "value": "shop"}, {"key": "quickserve:release", "value": "r-1"}]}"#;
        assert_eq!(
            document(answer).expect("a document"),
            r#"{"family":"shop","madeUp":[1.50, 1e3],"containerDefinitions":[{"name":"app","image":"x","new":{"kept": 1.0}}],"tags":[{"key":"team","value":"shop"}]}"#
        );
    }
}
