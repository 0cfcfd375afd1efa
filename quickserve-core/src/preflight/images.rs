//! QS3xx: every container's image exists.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::Report;
use crate::error::{ErrorKind, Result};
use crate::finding::{Code, Finding};
use crate::registry::{Registry, ResolvedImage};

/// Resolves the reference of each container's image, all at a time.
///
/// # Errors
/// When the registry cannot be asked. An image that it does not have is a finding.
pub async fn resolve(
    registry: &dyn Registry,
    references: &BTreeMap<String, String>,
) -> Result<(BTreeMap<String, ResolvedImage>, Report)> {
    let resolved = join_all(references.values().map(|reference| registry.resolve(reference))).await;
    let mut found = BTreeMap::new();
    let mut report = Report::default();
    for ((container, reference), answer) in references.iter().zip(resolved) {
        match answer {
            Ok(image) => {
                found.insert(container.clone(), image);
                report.passed += 1;
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
                let what = if error.kind() == ErrorKind::NotFound { "not found" } else { "is no reference" };
                let mut finding = Finding::error(Code::IMAGE_NOT_FOUND, format!("image {reference} {what}"))
                    .on(format!("container {container}"));
                finding.hint = error.hint().map(str::to_owned);
                report.findings.push(finding);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((found, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryRegistry;

    #[tokio::test]
    async fn what_is_missing_is_a_finding_and_the_rest_is_found() {
        let registry = MemoryRegistry::default();
        registry.insert("shop:1", b"one");
        let references = [("app", "shop:1"), ("log", "logger:2")];
        let references = references.map(|(name, image)| (name.to_owned(), image.to_owned())).into();
        let (found, report) = resolve(&registry, &references).await.expect("an answer");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["app"]);
        assert_eq!((report.passed, report.findings.len()), (1, 1));
        assert_eq!(report.findings[0].message, "image logger:2 not found");
        assert!(report.refuses());
    }
}
