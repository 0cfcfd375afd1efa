//! Manifests as they are stored: bytes, because their digest is that of the bytes.

use bytes::Bytes;
use oci_client::Reference;
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciImageIndex, OciImageManifest,
};
use quickserve_core::release::Digest;
use quickserve_core::{Error, ErrorKind, Result};

use super::client::Connection;
use super::failure::failed;

const ACCEPTED: &[&str] = &[
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];

/// A manifest, or an index of them.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) raw: Bytes,
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Image(Box<OciImageManifest>),
    Index(OciImageIndex),
}

impl Manifest {
    /// The manifest that a reference names.
    pub(crate) async fn pull(connection: &Connection, image: &Reference) -> Result<Self> {
        let pulled = connection.client.pull_manifest_raw(image, &connection.auth, ACCEPTED).await;
        let (raw, digest) = pulled.map_err(|error| failed("find image", image, error))?;
        let digest = digest.parse()?;
        Self::read(raw, digest).ok_or_else(|| {
            let message = format!("read the manifest of {image}: it is of no kind that is known");
            Error::new(ErrorKind::Unsupported, message)
                .with_hint("images have manifests of Docker's version 2 or of OCI; push it with a newer tool")
        })
    }

    fn read(raw: Bytes, digest: Digest) -> Option<Self> {
        let tree: serde_json::Value = serde_json::from_slice(&raw).ok()?;
        // OCI image specification: `mediaType` should be there, and need not.
        let named = tree.get("mediaType").and_then(|it| it.as_str()).map(str::to_owned);
        let (media_type, content) = if tree.get("manifests").is_some() {
            let media_type = named.unwrap_or_else(|| OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned());
            (media_type, Content::Index(serde_json::from_value(tree).ok()?))
        } else {
            let media_type = named.unwrap_or_else(|| OCI_IMAGE_MEDIA_TYPE.to_owned());
            (media_type, Content::Image(serde_json::from_value(tree).ok()?))
        };
        Some(Self { raw, digest, media_type, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Manifest> {
        let raw = Bytes::from(text.to_owned());
        let digest = Digest::of(&raw);
        Manifest::read(raw, digest)
    }

    #[test]
    fn a_manifest_without_its_type_is_read_by_what_it_holds() {
        let index = read(r#"{"schemaVersion": 2, "manifests": []}"#).expect("an index");
        assert_eq!(index.media_type, OCI_IMAGE_INDEX_MEDIA_TYPE);
        assert!(matches!(index.content, Content::Index(_)));
        assert!(read(r#"{"schemaVersion": 1, "fsLayers": []}"#).is_none(), "Docker's version 1");
    }
}
