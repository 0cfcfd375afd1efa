//! Images: find, tag, push.

use std::collections::HashMap;
use std::io::{self, Read};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{
    ListImagesOptionsBuilder, PushImageOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder,
};
use futures_util::{StreamExt as _, stream};
use quickserve_core::release::Digest;
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{Engine, fault};

/// The label that names the commit an image was built from. OCI image specification, annotations.
const REVISION: &str = "org.opencontainers.image.revision";

/// An image in the engine's store.
#[derive(Debug, Clone)]
pub(crate) struct StoredImage {
    pub(crate) id: Digest,
    /// `repository@sha256:...`, one per registry that it is known from.
    pub(crate) repo_digests: Vec<String>,
    pub(crate) platform: String,
    pub(crate) exposed_ports: Vec<u16>,
    pub(crate) variables: Vec<String>,
    pub(crate) has_health_check: bool,
    pub(crate) user: String,
    pub(crate) revision: Option<String>,
}

/// An image as a list shows it.
#[derive(Debug, Clone)]
pub(crate) struct ListedImage {
    pub(crate) tags: Vec<String>,
    /// With all its layers, also those that it shares.
    pub(crate) bytes: u64,
}

/// Credentials for a registry.
#[derive(Debug, Clone)]
pub(crate) struct PushAuth {
    pub(crate) username: String,
    pub(crate) password: SecretString,
}

impl Engine {
    /// An image by reference, id or digest; `None` when the store does not have it.
    pub(crate) async fn image(&self, reference: &str) -> Result<Option<StoredImage>> {
        match self.docker.inspect_image(reference).await {
            Ok(image) => stored_from(image).map(Some),
            Err(error) if fault::is_not_found(&error) => Ok(None),
            Err(error) => Err(fault::to_core(format!("find image {reference}"), error)),
        }
    }

    /// All tags in the store; with a repository, its tags only.
    pub(crate) async fn tags(&self, repository: Option<&str>) -> Result<Vec<String>> {
        let images = self.images(repository).await?;
        Ok(images.into_iter().flat_map(|image| image.tags).collect())
    }

    /// All images in the store; with a repository, those that have a tag in it, and of their tags these.
    pub(crate) async fn images(&self, repository: Option<&str>) -> Result<Vec<ListedImage>> {
        let mut options = ListImagesOptionsBuilder::default();
        if let Some(repository) = repository {
            options = options.filters(&HashMap::from([("reference", vec![repository])]));
        }
        let images = self.docker.list_images(Some(options.build())).await;
        let images = images.map_err(|error| fault::to_core("list images", error))?;
        let listed = |image: ImageSummary| {
            let tags = image.repo_tags.iter().map(|tag| familiar(tag)).filter(|tag| {
                !tag.starts_with("<none>")
                    && repository.is_none_or(|repository| {
                        tag.strip_prefix(repository).is_some_and(|rest| rest.starts_with(':'))
                    })
            });
            let tags = tags.map(str::to_owned).collect();
            ListedImage { tags, bytes: image.size.try_into().unwrap_or(0) }
        };
        Ok(images.into_iter().map(listed).collect())
    }

    /// Gives an image a tag; the same one twice is a success.
    pub(crate) async fn tag(&self, image: &Digest, repository: &str, tag: &str) -> Result<()> {
        let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
        let tagged = self.docker.tag_image(image.as_str(), Some(options)).await;
        tagged.map_err(|error| fault::to_core(format!("tag image {image:#} as {repository}:{tag}"), error))
    }

    /// Takes a tag away, and the image with it when it was its last and nothing uses it.
    pub(crate) async fn untag(&self, reference: &str) -> Result<()> {
        match self.docker.remove_image(reference, None::<RemoveImageOptions>, None).await {
            Ok(_) => Ok(()),
            Err(error) => match fault::answer(&error) {
                Some((404, _)) => Ok(()),
                _ => Err(fault::to_core(format!("remove tag {reference}"), error)),
            },
        }
    }

    /// An image as `docker save` writes it, for a thread that may block. What is not handed out within the time is an
    /// error for its reader.
    pub(crate) fn export(&self, reference: &str, within: Duration) -> impl Read + Send + 'static {
        let (docker, reference) = (self.docker.clone(), reference.to_owned());
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            // Ends with the reader, with the archive, or at the deadline.
            let handing_out = async {
                let mut archive = docker.export_image(&reference);
                while let Some(chunk) = archive.next().await {
                    let chunk = chunk.map_err(|error| io::Error::other(fault::to_core("read it", error)));
                    if sender.send(chunk).await.is_err() {
                        break;
                    }
                }
            };
            if timeout(within, handing_out).await.is_err() {
                let what = format!("the engine did not hand it out within {} s", within.as_secs_f32());
                // Nobody may read any more.
                let _ = sender.send(Err(io::Error::new(io::ErrorKind::TimedOut, what))).await;
            }
        });
        let chunks = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        SyncIoBridge::new(StreamReader::new(Box::pin(chunks)))
    }

    /// Pushes a tag to its registry.
    pub(crate) async fn push(&self, repository: &str, tag: &str, auth: Option<&PushAuth>) -> Result<()> {
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        let credentials = auth.map(|auth| DockerCredentials {
            username: Some(auth.username.clone()),
            password: Some(auth.password.expose_secret().to_owned()),
            ..Default::default()
        });
        let stream = self.docker.push_image(repository, Some(options), credentials);
        let mut stream = std::pin::pin!(stream);
        while let Some(progress) = stream.next().await {
            progress.map_err(|error| fault::to_core(format!("push image {repository}:{tag}"), error))?;
        }
        Ok(())
    }
}

/// A reference as Docker shows it: Podman names Docker's own registry.
fn familiar(reference: &str) -> &str {
    let rest = reference.strip_prefix("docker.io/").unwrap_or(reference);
    rest.strip_prefix("library/").filter(|_| rest != reference).unwrap_or(rest)
}

fn stored_from(image: ImageInspect) -> Result<StoredImage> {
    let id = image.id.unwrap_or_default();
    let id = id.parse().map_err(|error: Error| {
        Error::new(ErrorKind::Unexpected, "read the image's id").with_source(error)
    })?;
    let config = image.config.unwrap_or_default();
    let mut platform = format!("{}/{}", image.os.unwrap_or_default(), image.architecture.unwrap_or_default());
    if let Some(variant) = image.variant.filter(|variant| !variant.is_empty()) {
        platform = format!("{platform}/{variant}");
    }
    let port = |port: &String| port.strip_suffix("/tcp").unwrap_or(port).parse().ok();
    let mut exposed_ports: Vec<u16> = config.exposed_ports.iter().flatten().filter_map(port).collect();
    exposed_ports.sort_unstable();
    let name = |entry: String| entry.split('=').next().unwrap_or_default().to_owned();
    let revision = config.labels.as_ref().and_then(|labels| labels.get(REVISION)).cloned();
    let revision = revision.filter(|revision| !revision.is_empty());
    let test = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
    Ok(StoredImage {
        id,
        repo_digests: image.repo_digests.unwrap_or_default(),
        platform,
        exposed_ports,
        variables: config.env.unwrap_or_default().into_iter().map(name).collect(),
        has_health_check: test.first().is_some_and(|kind| kind != "NONE"),
        user: config.user.unwrap_or_default(),
        revision,
    })
}

#[cfg(test)]
mod tests {
    use super::familiar;

    #[test]
    fn what_podman_calls_an_image_is_what_docker_calls_it() {
        assert_eq!(familiar("docker.io/quickserve/shop.local:r-1"), "quickserve/shop.local:r-1");
        assert_eq!(familiar("docker.io/library/nginx:1"), "nginx:1");
        for same in ["nginx:1", "library/nginx:1", "localhost/shop:1", "ghcr.io/a/b:1"] {
            assert_eq!(familiar(same), same);
        }
    }
}
