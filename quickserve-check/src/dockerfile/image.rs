//! The name of an image as `FROM` has it.

/// A reference to an image, in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image<'a> {
    /// As it is written, registry included.
    pub(crate) name: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    pub(crate) fn new(reference: &'a str) -> Self {
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (reference, None),
        };
        // A colon before a slash is that of a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        Self { name, tag, digest }
    }

    /// The name without Docker Hub and its folder of official images: `node`, `bitnami/node`, `ghcr.io/a/b`.
    pub(crate) fn short(&self) -> &'a str {
        let name = self.name;
        let name = ["docker.io/", "index.docker.io/", "public.ecr.aws/docker/", "mirror.gcr.io/"]
            .iter()
            .find_map(|registry| name.strip_prefix(registry))
            .unwrap_or(name);
        name.strip_prefix("library/").unwrap_or(name)
    }

    /// Whether it is one of Docker's official images, by whatever mirror.
    pub(crate) fn is_official(&self) -> bool {
        !self.short().contains('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart() {
        let image = Image::new("localhost:5000/a/b:1@sha256:c");
        assert_eq!(
            (image.name, image.tag, image.digest),
            ("localhost:5000/a/b", Some("1"), Some("sha256:c"))
        );
        assert_eq!(Image::new("localhost:5000/a").tag, None);
        assert_eq!(Image::new("docker.io/library/node:18").short(), "node");
        assert!(Image::new("public.ecr.aws/docker/library/node").is_official());
        assert!(!Image::new("ghcr.io/node").is_official());
    }
}
