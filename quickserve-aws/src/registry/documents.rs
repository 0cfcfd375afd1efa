//! Documents that are attached to images: signatures, attestations, bills of materials.

use oci_client::manifest::{ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use oci_client::{Reference, RegistryOperation};
use quickserve_core::registry::Referrer;
use quickserve_core::release::Digest;
use quickserve_core::{Error, ErrorKind, Result};
use serde_json::json;

use super::failure::failed;
use super::manifest::{Content, Manifest};
use super::remote::RemoteRegistry;

/// The configuration of what has none. OCI image specification, "Guidance for an Empty Descriptor".
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");

/// Stores a document beside an image and lists it there. The same one again is a success.
pub(crate) async fn attach(
    registry: &RemoteRegistry,
    image: &Digest,
    kind: &str,
    content: &[u8],
) -> Result<Digest> {
    let (reference, subject) = registry.find(image).await?;
    let connection = registry.connect(&reference, RegistryOperation::Push).await?;
    for blob in [EMPTY.1, content] {
        let digest = Digest::of(blob);
        let there = connection.client.blob_exists(&reference, digest.as_str()).await;
        if there.map_err(|error| failed("look for a document of", &reference, error))? {
            continue;
        }
        let sent = connection.client.push_blob(&reference, blob.to_vec(), digest.as_str()).await;
        sent.map_err(|error| failed("store a document of", &reference, error))?;
    }
    let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": Digest::of(bytes).as_str(), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE_MEDIA_TYPE,
        "artifactType": kind,
        "config": descriptor(EMPTY.0, EMPTY.1),
        "layers": [descriptor(kind, content)],
        "subject": { "mediaType": subject.media_type, "digest": image.as_str(), "size": subject.raw.len() },
    });
    let document = manifest_of(&manifest, OCI_IMAGE_MEDIA_TYPE)?;
    registry.put(&reference, &document, None).await?;
    list_it(registry, &reference, kind, &document).await?;
    Ok(document.digest)
}

/// The documents of an image, of one type or of all.
pub(crate) async fn list(
    registry: &RemoteRegistry,
    image: &Digest,
    kind: Option<&str>,
) -> Result<Vec<Referrer>> {
    let (reference, _) = registry.find(image).await?;
    let entries = entries(registry, &reference).await?;
    let mut found = Vec::new();
    for entry in entries {
        let artifact_type = entry.artifact_type.unwrap_or_default();
        // A registry may leave the choice to us. OCI distribution specification, "Listing Referrers".
        if kind.is_none_or(|kind| kind == artifact_type) {
            found.push(Referrer { digest: Some(entry.digest.parse()?), artifact_type });
        }
    }
    Ok(found)
}

async fn entries(registry: &RemoteRegistry, reference: &Reference) -> Result<Vec<ImageIndexEntry>> {
    let connection = registry.connect(reference, RegistryOperation::Pull).await?;
    let listed = connection.client.pull_referrers(reference, None).await;
    Ok(listed.map_err(|error| failed("list the documents of", reference, error))?.manifests)
}

/// Adds a document to the list that stands in for the one that a registry does not keep by itself. OCI
/// distribution specification, "Referrers Tag Schema".
async fn list_it(
    registry: &RemoteRegistry,
    reference: &Reference,
    kind: &str,
    document: &Manifest,
) -> Result<()> {
    let mut listed = entries(registry, reference).await?;
    if listed.iter().any(|entry| entry.digest == document.digest.as_str()) {
        return Ok(());
    }
    let Some(subject) = reference.digest() else { return Ok(()) };
    listed.push(ImageIndexEntry {
        media_type: document.media_type.clone(),
        digest: document.digest.to_string(),
        size: i64::try_from(document.raw.len()).unwrap_or(i64::MAX),
        platform: None,
        annotations: None,
        artifact_type: Some(kind.to_owned()),
    });
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": listed,
    });
    let index = manifest_of(&index, OCI_IMAGE_INDEX_MEDIA_TYPE)?;
    registry.put(reference, &index, Some(&subject.replace(':', "-"))).await
}

fn manifest_of(tree: &serde_json::Value, media_type: &str) -> Result<Manifest> {
    let raw = serde_json::to_vec(tree)
        .map_err(|error| Error::new(ErrorKind::Unexpected, "write a manifest").with_source(error))?;
    let content = if media_type == OCI_IMAGE_INDEX_MEDIA_TYPE {
        serde_json::from_value(tree.clone()).map(Content::Index)
    } else {
        serde_json::from_value(tree.clone()).map(Content::Image)
    };
    let content =
        content.map_err(|error| Error::new(ErrorKind::Unexpected, "write a manifest").with_source(error))?;
    Ok(Manifest { digest: Digest::of(&raw), raw: raw.into(), media_type: media_type.to_owned(), content })
}
