//! An image from one repository to another, with the same digest.

use futures_util::TryStreamExt;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use oci_client::{Reference, RegistryOperation};
use quickserve_core::{Error, ErrorKind, Result};

use super::client::Connection;
use super::failure::failed;
use super::manifest::{Content, Manifest};
use super::remote::RemoteRegistry;

/// Copies an image, and all images of an index, byte for byte. What is there already is not sent again.
pub(crate) async fn copy(registry: &RemoteRegistry, from: &Reference, to: &Reference) -> Result<()> {
    let source = registry.connect(from, RegistryOperation::Pull).await?;
    let target = registry.connect(to, RegistryOperation::Push).await?;
    let manifest = Manifest::pull(&source, from).await?;
    match &manifest.content {
        Content::Image(content) => blobs((&source, from), (&target, to), content).await?,
        Content::Index(index) => {
            for entry in &index.manifests {
                let from = from.clone_with_digest(entry.digest.clone());
                let part = Manifest::pull(&source, &from).await?;
                let Content::Image(content) = &part.content else {
                    let message = format!("copy {from}: its index holds another index");
                    return Err(Error::new(ErrorKind::Unsupported, message));
                };
                blobs((&source, &from), (&target, to), content).await?;
                registry.put(to, &part, None).await?;
            }
        }
    }
    let tag = match (to.tag(), to.digest()) {
        (None, Some(_)) => None,
        (tag, _) => Some(tag.unwrap_or("latest")),
    };
    registry.put(to, &manifest, tag).await
}

type End<'a> = (&'a Connection, &'a Reference);

async fn blobs(from: End<'_>, to: End<'_>, manifest: &OciImageManifest) -> Result<()> {
    let (source, image) = from;
    let (target, place) = to;
    if image.resolve_registry() == place.resolve_registry() && image.repository() == place.repository() {
        return Ok(());
    }
    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
        let there = target.client.blob_exists(place, &blob.digest).await;
        if there.map_err(|error| failed("look for a layer of", place, error))? {
            continue;
        }
        // The registry links what it has; where it does not, it is sent.
        if image.resolve_registry() == place.resolve_registry()
            && target.client.mount_blob(place, image, &blob.digest).await.is_ok()
        {
            continue;
        }
        send((source, image), (target, place), blob).await?;
    }
    Ok(())
}

async fn send(from: End<'_>, to: End<'_>, blob: &OciDescriptor) -> Result<()> {
    let (source, image) = from;
    let (target, place) = to;
    let stream = source.client.pull_blob_stream(image, blob).await;
    let stream = stream
        .map_err(|error| failed("read a layer of", image, error))?
        .stream
        .map_err(OciDistributionError::from);
    let size = u64::try_from(blob.size).ok();
    let sent = target.client.push_blob_stream(place, stream, &blob.digest, size).await;
    sent.map(drop).map_err(|error| failed("send a layer to", place, error))
}
