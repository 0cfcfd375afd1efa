//! The task definition that the service runs, as a document: for teams whose infrastructure code owns it.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::types::TaskDefinitionField;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use quickserve_core::{Error, ErrorKind, Result};

use super::definition::{DESCRIBED_ONLY, Tag, is_ours};
use super::json::Object;
use super::platform::Ecs;
use super::written;
use crate::error::{Call, call};

const DESCRIBE: Call = call("ecs", "DescribeTaskDefinition");

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
        document(&self.described(&primary.revision).await?)
    }

    /// ECS's answer, byte for byte: types would lose what they do not know.
    async fn described(&self, revision: &str) -> Result<String> {
        let answer = Answer::default();
        let request = self.client().describe_task_definition().task_definition(revision);
        let request = request.include(TaskDefinitionField::Tags).customize().interceptor(answer.clone());
        request.send().await.map_err(|error| DESCRIBE.failed(error))?;
        let text = answer.text.lock().unwrap_or_else(PoisonError::into_inner).take();
        text.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "ecs:DescribeTaskDefinition: read the answer, which is no text")
        })
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

/// Keeps the body of an answer.
#[derive(Debug, Clone, Default)]
struct Answer {
    text: Arc<Mutex<Option<String>>>,
}

#[dyn_dispatch_hint]
impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "keep the body of an answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
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
