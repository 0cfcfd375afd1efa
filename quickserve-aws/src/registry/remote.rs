//! A registry that is reached over the network, as the core knows registries.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oci_client::{Reference, RegistryOperation};
use quickserve_core::clock::Clock;
use quickserve_core::registry::{Referrer, Registry, ResolvedImage};
use quickserve_core::release::{Digest, Image, ReleaseId};
use quickserve_core::service::ServiceKey;
use quickserve_core::{Error, ErrorKind, Result};

use super::client::{Connection, Connections};
use super::credentials::{Login, RegistryCredentials};
use super::ecr::Ecr;
use super::failure::failed;
use super::inspect::{for_platform, inspect};
use super::lifecycle::Expiry;
use super::manifest::{Content, Manifest};
use super::{copy, documents, pins};
use quickserve_core::document::near;

/// What a [`RemoteRegistry`] is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Whose images are kept.
    pub key: ServiceKey,
    /// The service's own repositories, such as `ghcr.io/acme/shop`: where images are kept for releases, and
    /// where one is looked for that is named by its digest alone.
    pub repositories: Vec<String>,
    /// Who we are to registries other than ECR's.
    pub credentials: Arc<dyn RegistryCredentials>,
    /// ECR, if it is used.
    pub ecr: Option<Ecr>,
    /// The platform that tasks run on, such as `linux/amd64`: which image of an index is looked at.
    pub platform: String,
    /// Registries that are asked in the place of others, such as a pull-through cache for `docker.io`.
    pub mirrors: BTreeMap<String, String>,
    /// Says when credentials have become old.
    pub clock: Arc<dyn Clock>,
}

/// Images in registries, for one service.
///
/// An image is deployed by the digest of its manifest; of an index where it is for several platforms, and then
/// [`Image::manifest`] is that of the platform's own.
#[derive(Debug, Clone)]
pub struct RemoteRegistry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    key: ServiceKey,
    own: Vec<Reference>,
    logins: Arc<Logins>,
    platform: String,
    mirrors: BTreeMap<String, String>,
    connections: Connections,
}

/// ECR's credentials for its own registries, and the others' for the others.
#[derive(Debug)]
struct Logins {
    ecr: Option<Ecr>,
    others: Arc<dyn RegistryCredentials>,
}

#[async_trait]
impl RegistryCredentials for Logins {
    async fn login(&self, host: &str) -> Result<Option<Login>> {
        if let Some(ecr) = &self.ecr
            && let Some(login) = ecr.login(host).await?
        {
            return Ok(Some(login));
        }
        self.others.login(host).await
    }
}

impl RemoteRegistry {
    /// Registries for a service.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a repository's name is none.
    pub fn new(setup: Setup) -> Result<Self> {
        // oci-client's connections ask rustls for the process's provider, and panic without one. Where the
        // program has chosen its own, that one stays.
        drop(rustls::crypto::ring::default_provider().install_default());
        let Setup { key, repositories, credentials, ecr, platform, mirrors, clock } = setup;
        let own = repositories.iter().map(|name| parse(name)).collect::<Result<_>>()?;
        let logins = Arc::new(Logins { ecr, others: credentials });
        let connections = Connections::new(logins.clone(), clock);
        let shared = Shared { key, own, logins, platform, mirrors, connections };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Credentials for a registry's host, such as for a Docker engine that pushes what it built.
    pub async fn login(&self, host: &str) -> Result<Option<Login>> {
        self.shared.logins.login(host).await
    }

    /// The lifecycle rule of ECR that will delete an image although a release may need it; `None` where none
    /// will, and for other registries.
    pub async fn expiry(&self, image: &Image) -> Result<Option<Expiry>> {
        let reference = self.reference(&image.reference)?;
        let Some((ecr, repository)) = self.ecr(&reference) else { return Ok(None) };
        let Some(policy) = ecr.lifecycle_policy(&repository).await? else { return Ok(None) };
        Ok(policy.expiry(&ecr.tags(&repository, &image.digest).await?))
    }

    pub(crate) fn ecr(&self, image: &Reference) -> Option<(&Ecr, super::EcrRepository)> {
        let ecr = self.shared.logins.ecr.as_ref()?;
        Some((ecr, ecr.repository(image)?))
    }

    pub(crate) async fn connect(
        &self,
        image: &Reference,
        operation: RegistryOperation,
    ) -> Result<Connection> {
        self.shared.connections.to(image, operation).await
    }

    /// A reference as people write it, with the mirror that stands for its registry.
    pub(crate) fn reference(&self, text: &str) -> Result<Reference> {
        let mut reference = parse(text)?;
        if let Some(mirror) = self.shared.mirrors.get(reference.registry()) {
            reference.set_mirror_registry(mirror.clone());
        }
        Ok(reference)
    }

    /// The service's own repositories, each once with the reference of an image in it.
    fn own(&self, digest: &Digest) -> impl Iterator<Item = Reference> {
        self.shared.own.iter().map(|own| own.clone_with_digest(digest.to_string()))
    }

    /// The image of this digest in the first of our repositories that has it.
    pub(crate) async fn find(&self, digest: &Digest) -> Result<(Reference, Manifest)> {
        for reference in self.own(digest) {
            let connection = self.connect(&reference, RegistryOperation::Pull).await?;
            match Manifest::pull(&connection, &reference).await {
                Ok(manifest) => return Ok((reference, manifest)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let names: Vec<String> = self.shared.own.iter().map(repository_name).collect();
        let message = format!("find image {digest}: it is not in {}", names.join(", "));
        Err(Error::new(ErrorKind::NotFound, message))
    }

    /// Stores a manifest under a tag, or under its digest.
    pub(crate) async fn put(&self, target: &Reference, manifest: &Manifest, tag: Option<&str>) -> Result<()> {
        if let Some((ecr, repository)) = self.ecr(target) {
            return ecr.put(&repository, manifest, tag).await;
        }
        // oci-client relies on a header where a manifest is stored by its digest; a tag of its own also keeps
        // the registry from collecting it.
        let tag = tag.map_or_else(|| format!("sha256-{}.quickserve", manifest.digest.hex()), str::to_owned);
        let (host, name) = (target.registry().to_owned(), target.repository().to_owned());
        let place = Reference::with_tag(host, name, tag);
        let connection = self.connect(&place, RegistryOperation::Push).await?;
        let media_type = manifest.media_type.parse().map_err(|_| {
            Error::new(
                ErrorKind::Invalid,
                format!("store {place}: its media type is {:?}", manifest.media_type),
            )
        })?;
        let stored = connection.client.push_manifest_raw(&place, manifest.raw.clone(), media_type).await;
        stored.map(drop).map_err(|error| failed("store", &place, error))
    }

    /// The error, with names that are near where the image or its repository does not exist.
    async fn with_near(&self, error: Error, reference: &Reference, connection: &Connection) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        let tags = connection.client.list_tags(reference, &connection.auth, Some(1000), None).await;
        if let Ok(tags) = tags {
            let tags = tags.tags.iter().map(String::as_str).filter(|tag| !tag.starts_with("quickserve."));
            let close = near(reference.tag().unwrap_or("latest"), tags);
            let name = repository_name(reference);
            return if close.is_empty() {
                error
            } else {
                error.with_hint(format!("{name} has {}", close.join(", ")))
            };
        }
        let Some((ecr, repository)) = self.ecr(reference) else { return error };
        let Ok(names) = ecr.names(&repository).await else { return error };
        if names.contains(&repository.name) {
            return error;
        }
        let close = near(&repository.name, names.iter().map(String::as_str));
        let name = &repository.name;
        let hint = if close.is_empty() {
            format!(
                "there is no repository {name}; make it: aws ecr create-repository --repository-name {name}"
            )
        } else {
            format!("there is no repository {name}; did you mean {}", close.join(", "))
        };
        error.with_hint(hint)
    }

    async fn look(&self, text: &str, reference: &Reference) -> Result<ResolvedImage> {
        let connection = self.connect(reference, RegistryOperation::Pull).await?;
        let manifest = match Manifest::pull(&connection, reference).await {
            Ok(manifest) => manifest,
            Err(error) => return Err(self.with_near(error, reference, &connection).await),
        };
        let mut image = Image {
            reference: text.to_owned(),
            digest: manifest.digest.clone(),
            manifest: Some(manifest.digest.clone()),
        };
        let index = match manifest.content {
            Content::Image(content) => return inspect(&connection, reference, &content, image).await,
            Content::Index(index) => index,
        };
        let platform = &self.shared.platform;
        let Some(entry) = for_platform(&index.manifests, platform) else {
            let has: Vec<String> = index
                .manifests
                .iter()
                .filter_map(|entry| entry.platform.as_ref())
                .map(|it| format!("{}/{}", it.os, it.architecture))
                .filter(|it| it != "unknown/unknown")
                .collect();
            let message = format!("find image {text} for {platform}: it is for {}", has.join(", "));
            return Err(Error::new(ErrorKind::NotFound, message)
                .with_hint(format!("build it for {platform}: docker build --platform {platform}")));
        };
        let own = reference.clone_with_digest(entry.digest.clone());
        let manifest = Manifest::pull(&connection, &own).await?;
        let Content::Image(content) = manifest.content else {
            let message = format!("read image {text}: its index holds another index");
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        image.manifest = Some(manifest.digest);
        inspect(&connection, &own, &content, image).await
    }
}

pub(crate) fn repository_name(image: &Reference) -> String {
    format!("{}/{}", image.registry(), image.repository())
}

fn parse(text: &str) -> Result<Reference> {
    text.parse().map_err(|error: oci_client::ParseError| {
        Error::new(ErrorKind::Invalid, format!("read image reference {text:?}"))
            .with_hint("write it as registry/name:tag, or with @sha256:... for one exact image")
            .with_source(error.to_string())
    })
}

#[async_trait]
impl Registry for RemoteRegistry {
    async fn resolve(&self, reference: &str) -> Result<ResolvedImage> {
        if let Ok(digest) = reference.parse::<Digest>() {
            let (found, _) = self.find(&digest).await?;
            // By its digest alone nobody else would find it.
            return self.look(&found.to_string(), &found).await;
        }
        self.look(reference, &self.reference(reference)?).await
    }

    async fn pin(&self, release: &ReleaseId, container: &str, image: &Image) -> Result<()> {
        let tag = pins::tag(&self.shared.key, release, container);
        match self.find(&image.digest).await {
            Ok((reference, manifest)) => self.put(&reference, &manifest, Some(&tag)).await,
            // It is in somebody else's repository, and kept or deleted there.
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_foreign(image) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn unpin(&self, release: &ReleaseId) -> Result<()> {
        let prefix = pins::prefix(&self.shared.key, release);
        for own in &self.shared.own {
            if let Some((ecr, repository)) = self.ecr(own) {
                let tags = ecr.all_tags(&repository).await?.into_iter();
                let tags: Vec<String> = tags.filter(|tag| tag.starts_with(&prefix)).collect();
                ecr.untag(&repository, &tags).await?;
                continue;
            }
            let connection = self.connect(own, RegistryOperation::Pull).await?;
            let tags = connection.client.list_tags(own, &connection.auth, None, None).await;
            let tags = tags.map_err(|error| failed("list the tags of", own, error))?.tags;
            let tags: Vec<String> = tags.into_iter().filter(|tag| tag.starts_with(&prefix)).collect();
            if !tags.is_empty() {
                let message =
                    format!("take tags away from {}: a registry has no common way to", repository_name(own));
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint(format!("delete them by the registry's own means: {}", tags.join(", "))));
            }
        }
        Ok(())
    }

    async fn push(&self, image: &Image, reference: &str) -> Result<Digest> {
        let target = self.reference(reference)?;
        let source = match self.reference(&image.reference) {
            Ok(source) if image.reference.parse::<Digest>().is_err() => source,
            _ => self.find(&image.digest).await?.0,
        };
        copy::copy(self, &source.clone_with_digest(image.digest.to_string()), &target).await?;
        Ok(image.digest.clone())
    }

    async fn attach(&self, image: &Digest, referrer: &Referrer, content: &[u8]) -> Result<Digest> {
        documents::attach(self, image, &referrer.artifact_type, content).await
    }

    async fn referrers(&self, image: &Digest, artifact_type: Option<&str>) -> Result<Vec<Referrer>> {
        documents::list(self, image, artifact_type).await
    }
}

impl RemoteRegistry {
    /// Whether an image's name is that of somebody else's repository.
    fn is_foreign(&self, image: &Image) -> bool {
        parse(&image.reference).is_ok_and(|reference| {
            let name = repository_name(&reference);
            self.shared.own.iter().all(|own| repository_name(own) != name)
        })
    }
}

impl fmt::Display for RemoteRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.shared.own.iter().map(repository_name).collect();
        write!(f, "images in {}", if names.is_empty() { "registries".to_owned() } else { names.join(", ") })
    }
}
