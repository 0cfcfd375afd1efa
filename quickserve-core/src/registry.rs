//! Where images come from.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::release::{Digest, Image, ReleaseId};

/// Finds images and keeps those that releases need.
#[async_trait]
pub trait Registry: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Resolves a reference to the one image that it means now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) with names that are near, where there are any.
    async fn resolve(&self, reference: &str) -> Result<ResolvedImage>;

    /// Keeps an image for a release: it will still be found by its digest when every tag has moved on.
    /// Keeping it twice is a success.
    async fn pin(&self, release: &ReleaseId, container: &str, image: &Image) -> Result<()>;

    /// Lets go of what [`pin`](Registry::pin) keeps for a release. Nothing kept is a success.
    async fn unpin(&self, release: &ReleaseId) -> Result<()>;

    /// Makes an image available under a reference, as `docker push` does, and answers with its digest there.
    async fn push(&self, image: &Image, reference: &str) -> Result<Digest>;

    /// Attaches a document (a signature, an attestation, a bill of materials) to an image.
    async fn attach(&self, image: &Digest, referrer: &Referrer, content: &[u8]) -> Result<Digest>;

    /// The documents attached to an image, optionally of one artifact type.
    async fn referrers(&self, image: &Digest, artifact_type: Option<&str>) -> Result<Vec<Referrer>>;
}

/// An image that a reference was resolved to, and what a check wants to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedImage {
    /// The image.
    pub image: Image,
    /// Its platform, such as `linux/amd64`.
    pub platform: String,
    /// TCP ports that it says it listens on.
    pub exposed_ports: Vec<u16>,
    /// Names of the variables that it sets; never their values.
    pub variables: Vec<String>,
    /// Whether it brings a health check of its own.
    pub has_health_check: bool,
    /// The user that it runs as; empty for root.
    pub user: String,
    /// The commit that it says it was built from. OCI image specification, "Pre-Defined Annotation Keys":
    /// `org.opencontainers.image.revision`.
    #[serde(default)]
    pub revision: Option<String>,
}

/// A document attached to an image. OCI distribution specification, "Listing Referrers".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referrer {
    /// Its digest, once it is stored.
    pub digest: Option<Digest>,
    /// What kind of document, such as `application/spdx+json`.
    pub artifact_type: String,
}
