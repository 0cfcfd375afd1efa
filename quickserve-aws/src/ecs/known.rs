//! Which release a task definition is of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ecs::types::{ContainerDefinition, TaskDefinition, TaskDefinitionField};
use quickserve_core::Result;
use quickserve_core::release::{Digest, ReleaseId};

use super::definition::RELEASE_TAG;
use super::log::{Output, output};
use super::platform::Ecs;
use crate::error::{Call, call};

const DESCRIBE: Call = call("ecs", "DescribeTaskDefinition");

/// What does not change of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// The release that it was registered for; none where it is not of our making.
    pub(super) release: Option<ReleaseId>,
    /// The release, or a name that stands for what is not of our making.
    pub(super) stands_for: ReleaseId,
    /// Containers with a health check of their own.
    pub(super) checked: BTreeSet<String>,
    /// The names of each container's variables that have a value, secrets among them.
    pub(super) variables: BTreeMap<String, BTreeSet<String>>,
    /// Where each container's output goes.
    pub(super) outputs: BTreeMap<String, Output>,
}

impl Ecs {
    /// What is known of a revision, asked for once.
    pub(super) async fn known(&self, revision: &str) -> Result<Arc<Known>> {
        if let Some(known) = self.cache().lock().await.get(revision) {
            return Ok(known.clone());
        }
        let answer = self
            .client()
            .describe_task_definition()
            .task_definition(revision)
            .include(TaskDefinitionField::Tags)
            .send()
            .await
            .map_err(|error| DESCRIBE.failed(error))?;
        let tag = answer.tags().iter().find(|tag| tag.key() == Some(RELEASE_TAG));
        let release: Option<ReleaseId> = tag.and_then(|tag| tag.value()?.parse().ok());
        let stands_for = match &release {
            Some(release) => release.clone(),
            None => foreign(revision)?,
        };
        let containers =
            || answer.task_definition().into_iter().flat_map(TaskDefinition::container_definitions);
        let checked = containers().filter(|it| it.health_check().is_some());
        let checked = checked.filter_map(|it| it.name().map(str::to_owned)).collect();
        let outputs = containers().filter_map(|it| Some((it.name()?.to_owned(), output(it)))).collect();
        let variables = containers().filter_map(|it| Some((it.name()?.to_owned(), variables(it)))).collect();
        let known = Arc::new(Known { release, stands_for, checked, variables, outputs });
        self.cache().lock().await.insert(revision.to_owned(), known.clone());
        Ok(known)
    }
}

/// The names of a container's variables that have a value.
fn variables(container: &ContainerDefinition) -> BTreeSet<String> {
    let plain =
        container.environment().iter().filter(|pair| pair.value().is_some_and(|value| !value.is_empty()));
    let plain = plain.filter_map(|pair| pair.name().map(str::to_owned));
    plain.chain(container.secrets().iter().map(|secret| secret.name().to_owned())).collect()
}

/// A name for the tasks of a revision that is not of our making, so that nobody takes a release to be alone
/// beside them.
fn foreign(revision: &str) -> Result<ReleaseId> {
    format!("r-{}", &Digest::of(revision.as_bytes()).hex()[..12]).parse()
}
