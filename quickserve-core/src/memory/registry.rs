//! A registry in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::registry::{Referrer, Registry, ResolvedImage};
use crate::release::{Digest, Image, Release, ReleaseId};
use crate::retention::{Retainer, Usage};

/// A registry in memory: images under references, pins, and attached documents.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What references mean.
    references: BTreeMap<String, ResolvedImage>,
    /// Every image that there ever was, by its digest.
    images: BTreeMap<Digest, ResolvedImage>,
    pins: BTreeMap<ReleaseId, BTreeSet<Digest>>,
    referrers: BTreeMap<Digest, Vec<Referrer>>,
}

impl MemoryRegistry {
    /// Puts an image under a reference, over whatever was there.
    pub fn insert(&self, reference: impl Into<String>, content: &[u8]) -> Image {
        let reference = reference.into();
        let image = Image { reference: reference.clone(), digest: Digest::of(content), manifest: None };
        let resolved = ResolvedImage {
            image: image.clone(),
            platform: "linux/amd64".to_owned(),
            exposed_ports: Vec::new(),
            variables: Vec::new(),
            has_health_check: false,
            user: String::new(),
            revision: None,
        };
        let mut inner = self.lock();
        inner.images.insert(image.digest.clone(), resolved.clone());
        inner.references.insert(reference, resolved);
        image
    }

    /// Takes a reference away; what it meant is gone unless something else names it or it is kept.
    pub fn remove(&self, reference: &str) {
        self.lock().references.remove(reference);
    }

    /// The digests kept for a release.
    pub fn pinned(&self, release: &ReleaseId) -> BTreeSet<Digest> {
        self.lock().pins.get(release).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The image with this digest, while anything names or keeps it.
    fn stored(&self, digest: &Digest) -> Option<&ResolvedImage> {
        let named = self.references.values().any(|known| known.image.digest == *digest);
        let kept = self.pins.values().any(|pinned| pinned.contains(digest));
        self.images.get(digest).filter(|_| named || kept)
    }
}

impl fmt::Display for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory registry")
    }
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn resolve(&self, reference: &str) -> Result<ResolvedImage> {
        let inner = self.lock();
        let by_reference = inner.references.get(reference).cloned();
        let found = by_reference.or_else(|| inner.stored(&reference.parse().ok()?).cloned());
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("image {reference} is not in the registry"))
        })
    }

    async fn pin(&self, release: &ReleaseId, _: &str, image: &Image) -> Result<()> {
        self.lock().pins.entry(release.clone()).or_default().insert(image.digest.clone());
        Ok(())
    }

    async fn unpin(&self, release: &ReleaseId) -> Result<()> {
        self.lock().pins.remove(release);
        Ok(())
    }

    async fn push(&self, image: &Image, reference: &str) -> Result<Digest> {
        let mut inner = self.lock();
        let mut pushed = inner
            .stored(&image.digest)
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("image {} is not here", image.digest)))?;
        reference.clone_into(&mut pushed.image.reference);
        inner.references.insert(reference.to_owned(), pushed);
        Ok(image.digest.clone())
    }

    async fn attach(&self, image: &Digest, referrer: &Referrer, content: &[u8]) -> Result<Digest> {
        let digest = Digest::of(content);
        let stored = Referrer { digest: Some(digest.clone()), artifact_type: referrer.artifact_type.clone() };
        let mut inner = self.lock();
        let referrers = inner.referrers.entry(image.clone()).or_default();
        if !referrers.contains(&stored) {
            referrers.push(stored);
        }
        Ok(digest)
    }

    async fn referrers(&self, image: &Digest, artifact_type: Option<&str>) -> Result<Vec<Referrer>> {
        let referrers = self.lock().referrers.get(image).cloned().unwrap_or_default();
        let wanted = |referrer: &Referrer| artifact_type.is_none_or(|kind| kind == referrer.artifact_type);
        Ok(referrers.into_iter().filter(wanted).collect())
    }
}

#[async_trait]
impl Retainer for MemoryRegistry {
    async fn let_go(&self, gone: &[Release], _: &[Release]) -> Result<()> {
        let pins = &mut self.lock().pins;
        for release in gone {
            pins.remove(&release.id);
        }
        Ok(())
    }

    async fn usage(&self) -> Result<Usage> {
        let inner = self.lock();
        let kept: BTreeSet<&Digest> = inner.pins.values().flatten().collect();
        // An image in memory has no content.
        Ok(kept.into_iter().map(|_| 0).collect())
    }
}
