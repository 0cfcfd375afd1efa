//! What ECR offers beside the distribution protocol.

use async_trait::async_trait;
use aws_sdk_ecr::operation::describe_images::DescribeImagesError;
use aws_sdk_ecr::operation::get_lifecycle_policy::GetLifecyclePolicyError;
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageDetail, ImageIdentifier, TagStatus};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_client::Reference;
use quickserve_core::release::Digest;
use quickserve_core::{Error, ErrorKind, Result};

use super::credentials::{Login, RegistryCredentials};
use super::lifecycle::LifecyclePolicy;
use super::manifest::Manifest;
use crate::clients::Clients;
use crate::error::call;

/// ECR documentation, `BatchDeleteImage`: at most 100 images.
const DELETED_AT_ONCE: usize = 100;

/// The private ECR registries that one identity can reach.
#[derive(Debug, Clone)]
pub struct Ecr {
    clients: Clients,
    addresses: Vec<String>,
}

/// A repository of ECR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcrRepository {
    /// The account, where the address says it.
    pub account: Option<String>,
    /// The region, where the address says it.
    pub region: Option<String>,
    /// The repository's name, slashes included.
    pub name: String,
}

/// The account and region that a registry's host names, where it is ECR's own. ECR documentation, "Amazon ECR
/// endpoints": `<account>.dkr.ecr[-fips].<region>.amazonaws.com[.cn]` and
/// `<account>.dkr-ecr[-fips].<region>.on.aws`.
pub(crate) fn registry_at(host: &str) -> Option<(&str, &str)> {
    let mut labels = host.split('.');
    let account =
        labels.next().filter(|it| it.len() == 12 && it.bytes().all(|byte| byte.is_ascii_digit()))?;
    match (labels.next()?, labels.next()?) {
        ("dkr", "ecr" | "ecr-fips") => Some((account, labels.next()?)),
        ("dkr-ecr" | "dkr-ecr-fips", region) => Some((account, region)),
        _ => None,
    }
}

impl Ecr {
    /// ECR by these clients.
    pub fn new(clients: Clients) -> Self {
        Self { clients, addresses: Vec::new() }
    }

    /// Another address under which the registry of this account and region is reached, such as that of a VPC
    /// endpoint or an emulator.
    #[must_use]
    pub fn with_address(mut self, host: impl Into<String>) -> Self {
        self.addresses.push(host.into());
        self
    }

    /// The repository of an image, where it is ECR's.
    pub(crate) fn repository(&self, image: &Reference) -> Option<EcrRepository> {
        let (account, region) = self.registry(image.registry())?;
        Some(EcrRepository { account, region, name: image.repository().to_owned() })
    }

    /// The account and region of a registry's host, as far as the host says them.
    fn registry(&self, host: &str) -> Option<(Option<String>, Option<String>)> {
        if self.addresses.iter().any(|address| address == host) {
            return Some((None, None));
        }
        let (account, region) = registry_at(host)?;
        Some((Some(account.to_owned()), Some(region.to_owned())))
    }

    fn clients(&self, region: Option<&str>) -> Clients {
        region.map_or_else(|| self.clients.clone(), |region| self.clients.in_region(region))
    }

    /// The names of the account's repositories; as many as one page has, for suggestions.
    pub(crate) async fn names(&self, like: &EcrRepository) -> Result<Vec<String>> {
        let clients = self.clients(like.region.as_deref());
        let call = call("ecr", "DescribeRepositories");
        let answer = clients.ecr().describe_repositories().set_registry_id(like.account.clone()).send().await;
        let answer = answer.map_err(|error| call.failed(error))?;
        let names = answer.repositories().iter().filter_map(|it| it.repository_name().map(str::to_owned));
        Ok(names.collect())
    }

    /// The rules by which images of a repository expire; `None` where there are none.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a repository.
    pub async fn lifecycle_policy(&self, repository: &EcrRepository) -> Result<Option<LifecyclePolicy>> {
        let clients = self.clients(repository.region.as_deref());
        let call = call("ecr", "GetLifecyclePolicy");
        let request = clients.ecr().get_lifecycle_policy().repository_name(&repository.name);
        match request.set_registry_id(repository.account.clone()).send().await {
            Ok(answer) => answer.lifecycle_policy_text().map(str::parse).transpose(),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetLifecyclePolicyError::is_lifecycle_policy_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(call.failed(error)),
        }
    }

    /// Stores a manifest, under a tag or under its digest alone. The same one again is a success.
    ///
    /// Not by the distribution protocol: ECR's answers there lack what `oci-client` relies on.
    pub(crate) async fn put(
        &self,
        repository: &EcrRepository,
        manifest: &Manifest,
        tag: Option<&str>,
    ) -> Result<()> {
        let clients = self.clients(repository.region.as_deref());
        let call = call("ecr", "PutImage");
        let text = std::str::from_utf8(&manifest.raw).map_err(|_| {
            Error::new(ErrorKind::Invalid, format!("store manifest {}: it is no text", manifest.digest))
        })?;
        let request = clients
            .ecr()
            .put_image()
            .set_registry_id(repository.account.clone())
            .repository_name(&repository.name)
            .image_manifest(text)
            .image_manifest_media_type(&manifest.media_type)
            .image_digest(manifest.digest.as_str())
            .set_image_tag(tag.map(str::to_owned));
        let Err(error) = request.send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(refused) if refused.is_image_already_exists_exception() => Ok(()),
            Some(refused) if refused.is_image_tag_already_exists_exception() => {
                let tag = tag.unwrap_or_default();
                let held = self.digest(repository, tag).await?;
                if held.as_deref() == Some(manifest.digest.as_str()) {
                    return Ok(());
                }
                let message = format!(
                    "tag {} as {tag}: its tags are immutable, and this one is taken",
                    repository.name
                );
                Err(Error::new(ErrorKind::Conflict, message)
                    .with_hint("give the image a new tag, or deploy it by its digest"))
            }
            _ => Err(call.failed(error)),
        }
    }

    async fn digest(&self, repository: &EcrRepository, tag: &str) -> Result<Option<String>> {
        let tagged = ImageIdentifier::builder().image_tag(tag).build();
        Ok(self.image(repository, tagged).await?.and_then(|image| image.image_digest))
    }

    /// The tags of an image; none where it is not there.
    pub(crate) async fn tags(&self, repository: &EcrRepository, image: &Digest) -> Result<Vec<String>> {
        let named = ImageIdentifier::builder().image_digest(image.as_str()).build();
        Ok(self.image(repository, named).await?.and_then(|image| image.image_tags).unwrap_or_default())
    }

    async fn image(&self, repository: &EcrRepository, image: ImageIdentifier) -> Result<Option<ImageDetail>> {
        let clients = self.clients(repository.region.as_deref());
        let call = call("ecr", "DescribeImages");
        let request = clients
            .ecr()
            .describe_images()
            .set_registry_id(repository.account.clone())
            .repository_name(&repository.name)
            .image_ids(image);
        match request.send().await {
            Ok(answer) => Ok(answer.image_details.into_iter().flatten().next()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeImagesError::is_image_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(call.failed(error)),
        }
    }

    /// All tags of a repository.
    pub(crate) async fn all_tags(&self, repository: &EcrRepository) -> Result<Vec<String>> {
        let clients = self.clients(repository.region.as_deref());
        let call = call("ecr", "DescribeImages");
        let mut pages = clients
            .ecr()
            .describe_images()
            .set_registry_id(repository.account.clone())
            .repository_name(&repository.name)
            .filter(DescribeImagesFilter::builder().tag_status(TagStatus::Tagged).build())
            .into_paginator()
            .send();
        let mut tags = Vec::new();
        while let Some(page) = pages.next().await {
            for image in page.map_err(|error| call.failed(error))?.image_details() {
                tags.extend_from_slice(image.image_tags());
            }
        }
        Ok(tags)
    }

    /// Takes tags away. ECR documentation, `BatchDeleteImage`: an image goes with its last tag.
    pub(crate) async fn untag(&self, repository: &EcrRepository, tags: &[String]) -> Result<()> {
        let clients = self.clients(repository.region.as_deref());
        let call = call("ecr", "BatchDeleteImage");
        for some in tags.chunks(DELETED_AT_ONCE) {
            let ids = some.iter().map(|tag| ImageIdentifier::builder().image_tag(tag).build()).collect();
            let request = clients
                .ecr()
                .batch_delete_image()
                .set_registry_id(repository.account.clone())
                .repository_name(&repository.name)
                .set_image_ids(Some(ids));
            let answer = request.send().await.map_err(|error| call.failed(error))?;
            for failure in answer.failures() {
                let code = failure.failure_code().map_or("unknown", |code| code.as_str());
                // Somebody else was faster.
                if code != "ImageNotFound" {
                    return Err(call.refused(code, failure.failure_reason()));
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl RegistryCredentials for Ecr {
    async fn login(&self, host: &str) -> Result<Option<Login>> {
        let Some((_, region)) = self.registry(host) else { return Ok(None) };
        let clients = self.clients(region.as_deref());
        let call = call("ecr", "GetAuthorizationToken");
        let answer =
            clients.ecr().get_authorization_token().send().await.map_err(|error| call.failed(error))?;
        let token = answer.authorization_data().first().and_then(|data| data.authorization_token());
        let decoded = token.and_then(|token| STANDARD.decode(token).ok());
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((username, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
            let message = "ecr:GetAuthorizationToken: read the token, which is no base64 of name:password";
            return Err(Error::new(ErrorKind::Unexpected, message));
        };
        Ok(Some(Login { username: username.to_owned(), password: password.into() }))
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, SdkConfig};

    use super::*;

    fn repository(image: &str) -> Option<EcrRepository> {
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let ecr = Ecr::new(Clients::new(sdk)).with_address("localhost:4566");
        ecr.repository(&image.parse().expect("a reference"))
    }

    #[test]
    fn addresses_of_every_partition_are_told_from_others() {
        for (image, region) in [
            ("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/shop:1", "us-east-1"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/shop:1", "cn-north-1"),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/team/shop", "us-gov-west-1"),
            ("123456789012.dkr-ecr.eu-west-1.on.aws/team/shop", "eu-west-1"),
        ] {
            let found = repository(image).expect(image);
            assert_eq!((found.region.as_deref(), found.name.as_str()), (Some(region), "team/shop"));
            assert_eq!(found.account.as_deref(), Some("123456789012"));
        }
        let local = repository("localhost:4566/shop:1").expect("the address that was given");
        assert_eq!((local.account, local.region), (None, None));
        for image in ["shop:1", "ghcr.io/acme/shop", "public.ecr.aws/nginx/nginx", "localhost:5000/shop"] {
            assert_eq!(repository(image), None, "{image}");
        }
    }
}
