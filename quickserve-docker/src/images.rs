//! The engine's own image store as a registry.

use std::fmt;

use async_trait::async_trait;
use quickserve_core::document::near;
use quickserve_core::registry::{Referrer, Registry, ResolvedImage};
use quickserve_core::release::{Digest, Image, Release, ReleaseId};
use quickserve_core::retention::{Retainer, Usage};
use quickserve_core::service::ServiceKey;
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::SecretString;

use crate::engine::{Engine, PushAuth, StoredImage};
use crate::names;

/// The images on this machine's engine, for one service.
///
/// An image is deployed by its image id, which the engine derives from its content. What a release needs is
/// kept by a tag of its own, `quickserve/<service>.<environment>:<release>-<container>`.
#[derive(Debug, Clone)]
pub struct ImageStore {
    engine: Engine,
    key: ServiceKey,
    auth: Option<RegistryAuth>,
}

/// Credentials for the registry that images are pushed to. Their `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct RegistryAuth {
    /// The user's name.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
}

impl ImageStore {
    /// The store of an engine, for a service.
    pub fn new(engine: Engine, key: ServiceKey) -> Self {
        Self { engine, key, auth: None }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sets the credentials to push with.
    #[must_use]
    pub fn with_auth(mut self, auth: RegistryAuth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Removes the tags that keep images for this service: all of them, or one release's.
    pub(crate) async fn unpin_all(&self, release: Option<&ReleaseId>) -> Result<Vec<String>> {
        let repository = names::pin_repository(&self.key);
        let mut tags = self.engine.tags(Some(&repository)).await?;
        let prefix = match release {
            Some(release) => format!("{repository}:{release}-"),
            None => format!("{repository}:"),
        };
        tags.retain(|tag| tag.starts_with(&prefix));
        for tag in &tags {
            self.engine.untag(tag).await?;
        }
        Ok(tags)
    }

    async fn not_found(&self, reference: &str) -> Error {
        let error = Error::new(ErrorKind::NotFound, format!("find image {reference}"));
        let tags = self.engine.tags(None).await.unwrap_or_default();
        let tags = tags.iter().filter(|tag| !tag.starts_with("quickserve/"));
        let (repository, _) = split(reference);
        let mut others: Vec<String> =
            tags.clone().filter(|tag| split(tag).0 == repository).cloned().collect();
        others.sort();
        others.truncate(5);
        if others.is_empty() {
            others = near(reference, tags.map(String::as_str));
        }
        if others.is_empty() {
            error.with_hint(format!("build it, or pull it with: docker pull {reference}"))
        } else {
            error.with_hint(format!("this machine has {}", others.join(", ")))
        }
    }
}

/// A reference's repository and tag. The tag is what follows the last colon, where no slash comes after it.
fn split(reference: &str) -> (&str, Option<&str>) {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// The manifest digest by which the image is known, from the reference's own repository where there are several.
fn manifest(reference: &str, stored: &StoredImage) -> Option<Digest> {
    let (repository, _) = split(reference);
    let known = || stored.repo_digests.iter().filter_map(|entry| entry.split_once('@'));
    let of_repository = known().find(|(name, _)| *name == repository);
    let (_, digest) = of_repository.or_else(|| known().next())?;
    digest.parse().ok()
}

#[async_trait]
impl Registry for ImageStore {
    async fn resolve(&self, reference: &str) -> Result<ResolvedImage> {
        if reference.is_empty() || reference.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let message = format!("read image reference {reference:?}");
            return Err(Error::new(ErrorKind::Invalid, message).with_hint("write it as name:tag"));
        }
        let Some(stored) = self.engine.image(reference).await? else {
            return Err(self.not_found(reference).await);
        };
        let manifest = manifest(reference, &stored);
        Ok(ResolvedImage {
            image: Image { reference: reference.to_owned(), digest: stored.id, manifest },
            platform: stored.platform,
            exposed_ports: stored.exposed_ports,
            variables: stored.variables,
            has_health_check: stored.has_health_check,
            user: stored.user,
            revision: stored.revision,
        })
    }

    async fn pin(&self, release: &ReleaseId, container: &str, image: &Image) -> Result<()> {
        let tag = names::pin_tag(release, container);
        self.engine.tag(&image.digest, &names::pin_repository(&self.key), &tag).await
    }

    async fn unpin(&self, release: &ReleaseId) -> Result<()> {
        self.unpin_all(Some(release)).await.map(drop)
    }

    async fn push(&self, image: &Image, reference: &str) -> Result<Digest> {
        let (repository, tag) = split(reference);
        let tag = tag.unwrap_or("latest");
        self.engine.tag(&image.digest, repository, tag).await?;
        let auth = self.auth.as_ref();
        let auth =
            auth.map(|auth| PushAuth { username: auth.username.clone(), password: auth.password.clone() });
        if let Err(error) = self.engine.push(repository, tag, auth.as_ref()).await {
            return Err(match (error.kind(), &auth) {
                (ErrorKind::PermissionDenied, None) => error.with_hint(
                    "give credentials for the registry: log in with docker login and configure them for QuickServe",
                ),
                (ErrorKind::PermissionDenied, Some(_)) => {
                    error.with_hint("the registry did not accept the credentials for this repository")
                }
                _ => error,
            });
        }
        let stored = self.engine.image(image.digest.as_str()).await?;
        let pushed = stored.and_then(|stored| {
            let entry = stored.repo_digests.into_iter().find_map(|entry| {
                let (name, digest) = entry.split_once('@')?;
                (name == repository).then(|| digest.to_owned())
            });
            entry?.parse().ok()
        });
        pushed.ok_or_else(|| {
            let message =
                format!("read back the digest of {reference}: the engine does not know it after the push");
            Error::new(ErrorKind::Unexpected, message)
        })
    }

    async fn attach(&self, _: &Digest, referrer: &Referrer, _: &[u8]) -> Result<Digest> {
        Err(unsupported(&format!("attach {} to an image", referrer.artifact_type)))
    }

    async fn referrers(&self, _: &Digest, _: Option<&str>) -> Result<Vec<Referrer>> {
        Err(unsupported("list what is attached to an image"))
    }
}

#[async_trait]
impl Retainer for ImageStore {
    async fn let_go(&self, gone: &[Release], _: &[Release]) -> Result<()> {
        let repository = names::pin_repository(&self.key);
        let prefixes: Vec<String> =
            gone.iter().map(|release| format!("{repository}:{}-", release.id)).collect();
        for tag in self.engine.tags(Some(&repository)).await? {
            if !prefixes.iter().any(|prefix| tag.starts_with(prefix)) {
                continue;
            }
            match self.engine.untag(&tag).await {
                // A container uses the image and this is its last name: it goes once the container has gone.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                done => done?,
            }
        }
        Ok(())
    }

    async fn usage(&self) -> Result<Usage> {
        let repository = names::pin_repository(&self.key);
        let images = self.engine.images(Some(&repository)).await?;
        let ours = format!("{repository}:r-");
        let kept = images.iter().filter(|image| image.tags.iter().any(|tag| tag.starts_with(&ours)));
        Ok(kept.map(|image| image.bytes).collect())
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what}: a local image store keeps images only"))
        .with_hint("push the image to a registry and name it there")
}

impl fmt::Display for ImageStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "images of the {}", self.engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(split("localhost:5000/shop"), ("localhost:5000/shop", None));
        assert_eq!(split("localhost:5000/shop:1.2"), ("localhost:5000/shop", Some("1.2")));
        assert_eq!(split("shop:1@sha256:00"), ("shop", Some("1")));
        assert_eq!(split("shop"), ("shop", None));
    }
}
