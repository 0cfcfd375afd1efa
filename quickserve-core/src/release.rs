//! A release: everything that decides how a service behaves, under one content-addressed name.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::workload::Workload;

/// The name of a release: `r-` and 12 hexadecimal digits of the hash of its content.
///
/// [`Display`](fmt::Display) with `{:#}` shows the short form that people read, `r-7c41e9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(String);

impl ReleaseId {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that people read: `r-` and 6 digits.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl FromStr for ReleaseId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let valid = text.strip_prefix("r-").is_some_and(|hex| hex.len() == 12 && is_lower_hex(hex));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                format!("release name {text:?} is not r- and 12 hexadecimal digits"),
            ))
        }
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> Self {
        id.0
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if f.alternate() { self.short() } else { &self.0 })
    }
}

/// A SHA-256 digest, written `sha256:` and 64 hexadecimal digits.
///
/// Source of the form: OCI image specification, "Descriptor", digests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(&Sha256::digest(bytes))))
    }

    /// The whole digest with its algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hexadecimal digits alone.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The form that people read: `sha256:` and 12 digits.
    pub fn short(&self) -> &str {
        &self.0[..19]
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let valid = text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && is_lower_hex(hex));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                format!("digest {text:?} is not sha256: and 64 hexadecimal digits"),
            ))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if f.alternate() { self.short() } else { &self.0 })
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An image as one exact thing, and the name under which people know it.
///
/// An engine's image id is the digest of the image's configuration; a registry's manifest digest is that of
/// the document that lists its layers. They are different numbers for the same image, so both are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The reference as it was asked for, such as `storefront:1.8.2`; shown, never deployed by.
    pub reference: String,
    /// The digest that is deployed: an engine's image id on local Docker, the manifest digest on ECS.
    pub digest: Digest,
    /// The digest of the manifest in a registry, where the image is known to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
}

impl Image {
    /// The tag of the reference, such as `1.8.2`, if it has one.
    pub fn tag(&self) -> Option<&str> {
        let name = self.reference.split('@').next().unwrap_or_default();
        let last = name.rsplit('/').next().unwrap_or_default();
        last.split_once(':').map(|(_, tag)| tag)
    }
}

/// Where a container's secret variable comes from, and which version of it the release is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretBinding {
    /// The container that gets the variable.
    pub container: String,
    /// The variable's name.
    pub variable: String,
    /// Where the value is found: a name in a dotenv file, an ARN.
    pub source: String,
    /// The version bound: an HMAC of a local value, a version id; never the value.
    pub version: SecretVersion,
}

/// The version of a secret that a release is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum SecretVersion {
    /// This version and no other; a rollback brings it back.
    Pinned(String),
    /// Whatever is current when a task starts (rotation is on, or the store cannot pin); the version seen
    /// when the release was made is evidence only.
    Floating(Option<String>),
}

/// The commit that an image was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The commit's hash.
    pub hash: String,
    /// Whether the working tree held uncommitted changes.
    pub dirty: bool,
}

/// Everything that decides how a service behaves: images by digest, configuration, secrets by version, workload.
///
/// Its [`id`](Release::id) is a hash of exactly that, so an equal release has an equal name on every machine.
/// Tags are left out of the hash: they may move, digests do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The content-addressed name.
    pub id: ReleaseId,
    /// The version that people and the application show: usually the image's tag.
    pub version: String,
    /// The image of each container.
    pub images: BTreeMap<String, Image>,
    /// Where each secret variable comes from, sorted by container and variable.
    pub secrets: Vec<SecretBinding>,
    /// What runs: containers, ports, environment, health check.
    pub workload: Workload,
    /// The commit it was built from, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
}

impl Release {
    /// Makes a release and names it by its content.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a container of the workload has no image.
    pub fn new(
        version: impl Into<String>,
        images: BTreeMap<String, Image>,
        mut secrets: Vec<SecretBinding>,
        workload: Workload,
        commit: Option<Commit>,
    ) -> Result<Self> {
        for container in &workload.containers {
            if !images.contains_key(&container.name) {
                let message = format!("container {} has no image", container.name);
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        secrets.sort_by(|a, b| (&a.container, &a.variable).cmp(&(&b.container, &b.variable)));
        let version = version.into();
        let digests: BTreeMap<&str, &Digest> =
            images.iter().map(|(name, image)| (name.as_str(), &image.digest)).collect();
        let content = serde_json::json!({
            "version": version, "digests": digests, "secrets": secrets, "workload": workload, "commit": commit,
        });
        let hash = Digest::of(content.to_string().as_bytes());
        let id = ReleaseId(format!("r-{}", &hash.hex()[..12]));
        Ok(Self { id, version, images, secrets, workload, commit })
    }

    /// Each container's digest.
    pub fn digests(&self) -> BTreeMap<String, Digest> {
        self.images.iter().map(|(name, image)| (name.clone(), image.digest.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(tag: &str, content: &[u8]) -> Release {
        let image =
            Image { reference: format!("storefront:{tag}"), digest: Digest::of(content), manifest: None };
        let images = BTreeMap::from([("app".to_owned(), image)]);
        Release::new("1", images, Vec::new(), Workload::single("app"), None).expect("a release")
    }

    #[test]
    fn a_release_is_named_by_its_content_and_not_by_its_tag() {
        assert_eq!(release("1.8.1", b"one").id, release("latest", b"one").id);
        assert_ne!(release("1.8.1", b"one").id, release("1.8.1", b"two").id);
    }

    #[test]
    fn a_container_without_an_image_is_refused() {
        let error = Release::new("1", BTreeMap::new(), Vec::new(), Workload::single("app"), None);
        assert_eq!(error.expect_err("no image").kind(), ErrorKind::Invalid);
    }

    #[test]
    fn the_tag_is_found_behind_a_registry_with_a_port() {
        let mut image = release("1", b"one").images.remove("app").expect("the image");
        image.reference = "localhost:5000/storefront:1.8.2".into();
        assert_eq!(image.tag(), Some("1.8.2"));
        image.reference = "localhost:5000/storefront".into();
        assert_eq!(image.tag(), None);
    }

    #[test]
    fn names_that_are_not_ours_are_refused() {
        assert!("r-12".parse::<ReleaseId>().is_err());
        assert!("sha256:xyz".parse::<Digest>().is_err());
    }
}
