//! Making ECS know a release.

use aws_sdk_ecs::types::{SortOrder, TaskDefinitionStatus};
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::Revision;
use quickserve_core::release::{Release, ReleaseId};
use quickserve_core::secrets::BoundSecret;
use quickserve_core::{Error, ErrorKind, Result};

use super::body::instead;
use super::definition::{References, Registrable, registrable};
use super::fence::fenced;
use super::platform::Ecs;
use crate::error::{Call, call};

const LIST: Call = call("ecs", "ListTaskDefinitions");
const REGISTER: Call = call("ecs", "RegisterTaskDefinition");

/// How many of the newest revisions are looked at for the release's tag. One that is older is registered again:
/// the same content under another number.
const LOOKED_AT: i32 = 5;

impl Ecs {
    /// Registers a release's task definition, or finds the one that is registered.
    pub(super) async fn register_release(&self, fence: &Fence, release: &Release) -> Result<Revision> {
        if let Some(known) = self.revisions().lock().await.get(&release.id) {
            return Ok(known.clone());
        }
        let revision = self.find_or_register(fence, release).await?;
        self.revisions().lock().await.insert(release.id.clone(), revision.clone());
        Ok(revision)
    }

    async fn find_or_register(&self, fence: &Fence, release: &Release) -> Result<Revision> {
        let secrets = self.references(release).await?;
        let registrable = registrable(release, self.family(), &secrets)?;
        if let Some(known) = self.registered(&registrable.family, &release.id).await? {
            return Ok(known);
        }
        self.send(fence, registrable).await
    }

    /// What ECS resolves for each secret variable when it starts a task.
    async fn references(&self, release: &Release) -> Result<References> {
        let mut references = References::new();
        for binding in &release.secrets {
            let bound = self.secrets().resolve(&binding.source, &binding.version).await?;
            let BoundSecret::Reference(reference) = bound else {
                let message = format!(
                    "give {} to ECS: {} holds values, and ECS takes references",
                    binding.variable,
                    self.secrets()
                );
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint("keep it in Secrets Manager or as an SSM parameter, and name it there"));
            };
            references.insert((binding.container.clone(), binding.variable.clone()), reference);
        }
        Ok(references)
    }

    /// The newest active revision that carries the release's tag.
    async fn registered(&self, family: &str, release: &ReleaseId) -> Result<Option<Revision>> {
        let listed = self
            .client()
            .list_task_definitions()
            .family_prefix(family)
            .status(TaskDefinitionStatus::Active)
            .sort(SortOrder::Desc)
            .max_results(LOOKED_AT)
            .send()
            .await
            .map_err(|error| LIST.failed(error))?;
        for arn in listed.task_definition_arns.unwrap_or_default() {
            if self.known(&arn).await?.release.as_ref() == Some(release) {
                return Ok(Some(Revision(arn)));
            }
        }
        Ok(None)
    }

    /// Sends the document as the body, in the place of what the SDK would make of the members that it knows.
    async fn send(&self, fence: &Fence, registrable: Registrable) -> Result<Revision> {
        let Registrable { family, body } = registrable;
        let answer = self
            .client()
            .register_task_definition()
            .family(family)
            .customize()
            .config_override(fenced(fence, self.now())?)
            .mutate_request(instead(body))
            .send()
            .await
            .map_err(|error| REGISTER.failed(error))?;
        let arn = answer.task_definition().and_then(|definition| definition.task_definition_arn());
        arn.map(|arn| Revision(arn.to_owned())).ok_or_else(|| {
            Error::new(
                ErrorKind::Unexpected,
                "ecs:RegisterTaskDefinition: read the answer, which names no revision",
            )
        })
    }
}
