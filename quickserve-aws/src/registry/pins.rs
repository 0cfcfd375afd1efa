//! The tags by which an image is kept for a release.

use quickserve_core::release::{Digest, ReleaseId};
use quickserve_core::service::ServiceKey;

/// OCI distribution specification, "Pulling manifests": a tag has at most 128 characters.
const LONGEST: usize = 128;
/// A container's name, or what stands for it, gets at least as much.
const HASH: usize = 16;

/// What the tags that keep images for a release begin with.
pub(crate) fn prefix(key: &ServiceKey, release: &ReleaseId) -> String {
    let whole = format!("quickserve.{}.{}.{release}.", key.service(), key.environment());
    if whole.len() + HASH <= LONGEST {
        return whole;
    }
    let hash = hash(&key.to_string());
    format!("quickserve.{hash}.{release}.")
}

/// The tag that keeps the image of a container for a release.
pub(crate) fn tag(key: &ServiceKey, release: &ReleaseId, container: &str) -> String {
    let prefix = prefix(key, release);
    // ECS: letters, digits, hyphens and underscores; another platform's definition may have others.
    let usable = container.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if usable && prefix.len() + container.len() <= LONGEST {
        return prefix + container;
    }
    prefix + &hash(container)
}

fn hash(text: &str) -> String {
    Digest::of(text.as_bytes()).hex()[..HASH].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(service: &str, environment: &str) -> ServiceKey {
        ServiceKey::new(service, environment).expect("a key")
    }

    fn release() -> ReleaseId {
        "r-0123456789ab".parse().expect("a release")
    }

    #[test]
    fn people_can_read_whose_it_is() {
        let tag = tag(&key("shop", "production"), &release(), "app");
        assert_eq!(tag, "quickserve.shop.production.r-0123456789ab.app");
    }

    #[test]
    fn the_longest_names_are_still_tags_and_still_differ() {
        let (one, other) = (key(&"a".repeat(63), &"b".repeat(63)), key(&"a".repeat(63), &"c".repeat(63)));
        let tags = [
            tag(&one, &release(), &"x".repeat(255)),
            tag(&one, &release(), "app"),
            tag(&other, &release(), "app"),
        ];
        for tag in &tags {
            assert!(tag.len() <= LONGEST, "{tag}");
            assert_eq!(tags.iter().filter(|it| *it == tag).count(), 1, "{tag}");
        }
        assert!(tags[1].starts_with(&prefix(&one, &release())));
    }
}
