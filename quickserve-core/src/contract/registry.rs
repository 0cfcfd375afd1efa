//! What a registry must hold to.

use std::sync::Arc;

use async_trait::async_trait;

use super::rule::{Held, ensure, hold, refused, same};
use crate::error::ErrorKind;
use crate::registry::{Referrer, Registry};
use crate::release::{Digest, ReleaseId};

/// Makes registries for the suite [`registry`](registry()).
#[async_trait]
pub trait RegistryFixture: Sync {
    /// A registry in which nothing is kept for any release.
    async fn fresh(&self) -> Box<dyn RegistryStage>;
}

/// A registry and its images. Dropped, nothing of it is left, after a panic too.
#[async_trait]
pub trait RegistryStage: Send + Sync {
    /// The registry.
    fn registry(&self) -> Arc<dyn Registry>;

    /// Puts an image of this content under a name, over whatever was there, and answers with the reference.
    async fn put(&self, name: &str, content: &str) -> String;

    /// Takes a reference away. An image that nothing names or keeps any more may be gone.
    async fn forget(&self, reference: &str);

    /// Where an image can be pushed to, if it can.
    fn push_target(&self) -> Option<String>;

    /// Whether documents can be attached to images.
    fn keeps_documents(&self) -> bool;
}

/// Holds a [`Registry`] to its contract.
///
/// # Panics
/// When a rule is broken, with all the rules that are.
pub async fn registry(fixture: &dyn RegistryFixture) {
    hold!(
        "the registry",
        fixture,
        an_unknown_reference_is_not_found,
        a_reference_is_resolved_the_same_each_time,
        a_reference_that_moves_is_resolved_anew,
        an_image_is_found_by_its_digest,
        a_kept_image_outlives_its_reference,
        what_one_release_lets_go_of_is_kept_for_another,
        what_was_never_kept_can_be_let_go_of,
        a_pushed_image_is_found_where_it_was_pushed,
        attached_documents_are_listed_once_and_by_type,
    );
}

async fn an_unknown_reference_is_not_found(stage: &dyn RegistryStage) -> Held {
    let known = stage.put("one", "content").await;
    let registry = stage.registry();
    let digest = Digest::of(b"never was");
    for unknown in ["quickserve-contract-never-was:1", &format!("{known}-never-was"), digest.as_str()] {
        refused(unknown, registry.resolve(unknown).await, ErrorKind::NotFound)?;
    }
    Ok(())
}

async fn a_reference_is_resolved_the_same_each_time(stage: &dyn RegistryStage) -> Held {
    let (one, other) = (stage.put("one", "content").await, stage.put("other", "another content").await);
    let registry = stage.registry();
    let first = registry.resolve(&one).await?;
    same("the reference of what it resolves to", &first.image.reference, &one)?;
    ensure(first.platform.split('/').count() >= 2, || format!("the platform is {:?}", first.platform))?;
    let second = registry.resolve(&other).await?;
    ensure(first.image.digest != second.image.digest, || "two images have one digest".to_owned())?;
    same("what it resolves to again", &registry.resolve(&one).await?, &first)
}

async fn a_reference_that_moves_is_resolved_anew(stage: &dyn RegistryStage) -> Held {
    let reference = stage.put("one", "content").await;
    let before = stage.registry().resolve(&reference).await?;
    same("the reference after it moved", &stage.put("one", "another content").await, &reference)?;
    let now = stage.registry().resolve(&reference).await?;
    ensure(before.image.digest != now.image.digest, || "the digest is the one from before".to_owned())
}

async fn an_image_is_found_by_its_digest(stage: &dyn RegistryStage) -> Held {
    let reference = stage.put("one", "content").await;
    let registry = stage.registry();
    let image = registry.resolve(&reference).await?.image;
    same("its digest", &registry.resolve(image.digest.as_str()).await?.image.digest, &image.digest)
}

async fn a_kept_image_outlives_its_reference(stage: &dyn RegistryStage) -> Held {
    let reference = stage.put("one", "content").await;
    let registry = stage.registry();
    let image = registry.resolve(&reference).await?.image;
    for _ in 0..2 {
        registry.pin(&release('1'), "app", &image).await?;
    }
    stage.put("one", "another content").await;
    stage.forget(&reference).await;
    refused("the reference that is gone", registry.resolve(&reference).await, ErrorKind::NotFound)?;
    same("the kept image", &registry.resolve(image.digest.as_str()).await?.image.digest, &image.digest)?;
    for _ in 0..2 {
        registry.unpin(&release('1')).await?;
    }
    Ok(())
}

async fn what_one_release_lets_go_of_is_kept_for_another(stage: &dyn RegistryStage) -> Held {
    let reference = stage.put("one", "content").await;
    let registry = stage.registry();
    let image = registry.resolve(&reference).await?.image;
    registry.pin(&release('1'), "app", &image).await?;
    registry.pin(&release('2'), "app", &image).await?;
    registry.pin(&release('2'), "side", &image).await?;
    stage.forget(&reference).await;
    registry.unpin(&release('1')).await?;
    same("the kept image", &registry.resolve(image.digest.as_str()).await?.image.digest, &image.digest)?;
    registry.unpin(&release('2')).await?;
    Ok(())
}

async fn what_was_never_kept_can_be_let_go_of(stage: &dyn RegistryStage) -> Held {
    let reference = stage.put("one", "content").await;
    stage.registry().unpin(&release('1')).await?;
    stage.registry().resolve(&reference).await?;
    Ok(())
}

async fn a_pushed_image_is_found_where_it_was_pushed(stage: &dyn RegistryStage) -> Held {
    let Some(target) = stage.push_target() else { return Ok(()) };
    let reference = stage.put("one", "content").await;
    let registry = stage.registry();
    let image = registry.resolve(&reference).await?.image;
    let digest = registry.push(&image, &target).await?;
    same("the digest of a second push", &registry.push(&image, &target).await?, &digest)?;
    let found = registry.resolve(&target).await?.image;
    ensure(found.manifest.as_ref() == Some(&digest) || found.digest == digest, || {
        format!("pushed was {digest}, found is {found:?}")
    })?;
    same(
        "the image under its first reference",
        &registry.resolve(&reference).await?.image.digest,
        &image.digest,
    )
}

async fn attached_documents_are_listed_once_and_by_type(stage: &dyn RegistryStage) -> Held {
    let reference = stage.put("one", "content").await;
    let registry = stage.registry();
    let image = registry.resolve(&reference).await?.image.digest;
    let document = |kind: &str| Referrer { digest: None, artifact_type: kind.to_owned() };
    let (bill, signature) = (document("application/spdx+json"), document("application/x.signature"));
    if !stage.keeps_documents() {
        let attached = registry.attach(&image, &bill, b"a").await;
        refused("a document", attached, ErrorKind::Unsupported)?;
        let listed = registry.referrers(&image, None).await;
        return refused("the list of documents", listed, ErrorKind::Unsupported);
    }
    same("the documents of an image without any", &registry.referrers(&image, None).await?, &Vec::new())?;
    let first = registry.attach(&image, &bill, b"a bill").await?;
    same("the digest of the same document", &registry.attach(&image, &bill, b"a bill").await?, &first)?;
    let second = registry.attach(&image, &signature, b"a signature").await?;
    ensure(first != second, || "two documents have one digest".to_owned())?;
    let listed = |digest: &Digest, document: &Referrer| Referrer {
        digest: Some(digest.clone()),
        artifact_type: document.artifact_type.clone(),
    };
    let all = registry.referrers(&image, None).await?;
    ensure(
        all.len() == 2 && all.contains(&listed(&first, &bill)) && all.contains(&listed(&second, &signature)),
        || format!("attached were {first} and {second}; listed is {all:?}"),
    )?;
    let bills = registry.referrers(&image, Some(&bill.artifact_type)).await?;
    same("the bills", &bills, &vec![listed(&first, &bill)])?;
    same("what is of no type", &registry.referrers(&image, Some("text/none")).await?, &Vec::new())?;
    let other = stage.put("other", "another content").await;
    let other = registry.resolve(&other).await?.image.digest;
    same("the documents of another image", &registry.referrers(&other, None).await?, &Vec::new())
}

fn release(digit: char) -> ReleaseId {
    let name = format!("r-{}", digit.to_string().repeat(12));
    name.parse().unwrap_or_else(|error| panic!("a release's name: {error}"))
}
