//! The versions of the shop: one static binary, and what is wrong with some of them.

use std::path::Path;

use crate::children::Children;
use crate::docker::docker;
use crate::failure::{Doing as _, Failure, Result};

/// Nobody else's images have this name; ours have the label too.
pub(crate) const REPOSITORY: &str = "storefront-demo";
const LABEL: &str = "dev.quickserve.demo=yes";

const DOCKERFILE: &str = include_str!("../../storefront/Dockerfile");

/// The first version; the others are made from it.
const FIRST: &str = "1.8.0";
const OTHERS: [(&str, &str); 4] = [
    ("1.8.1", "ENV GOOD=1"),
    ("1.9.0", "ENV STOREFRONT_REQUIRE=SESSION_KEY"),
    ("1.9.1", "ENV STOREFRONT_REQUIRE=SESSION_KEY STOREFRONT_FAIL_NEVER_HEALTHY=1"),
    ("1.9.2", "ENV STOREFRONT_REQUIRE=SESSION_KEY STOREFRONT_FAIL_CRASH_AFTER=5s"),
];

/// Builds them all; answers the ids of everything that was built, which is ours.
pub(crate) async fn build(children: &Children, folder: &Path, storefront: &Path) -> Result<Vec<String>> {
    let context = folder.join("image");
    std::fs::create_dir(&context).doing("make a folder for the image")?;
    std::fs::write(context.join("Dockerfile"), DOCKERFILE).doing("write the Dockerfile")?;
    std::fs::copy(storefront, context.join("storefront")).doing(format!("copy {}", storefront.display()))?;
    let context = context.to_str().ok_or_else(|| Failure::new("the folder's name is not UTF-8"))?;
    let tag = |version: &str| format!("{REPOSITORY}:{version}");
    let first = tag(FIRST);
    docker(children, &["build", "--quiet", "--label", LABEL, "--tag", &first, context], "").await?;
    let mut built = history(children, &first).await?;
    for (version, line) in OTHERS {
        let dockerfile = format!("FROM {first}\n{line}\n");
        let tag = tag(version);
        docker(children, &["build", "--quiet", "--tag", &tag, "-"], &dockerfile).await?;
        built.extend(history(children, &tag).await?);
    }
    built.sort();
    built.dedup();
    Ok(built)
}

async fn history(children: &Children, tag: &str) -> Result<Vec<String>> {
    let ids = crate::docker::lines(children, &["history", "--quiet", "--no-trunc", tag]).await?;
    Ok(ids.into_iter().filter(|id| id.starts_with("sha256:")).collect())
}

/// Removes them, and those that an earlier demo left. Images of others that have our name end the demo.
pub(crate) async fn remove(children: &Children) -> Result<()> {
    let list = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter"];
    let named = format!("reference={REPOSITORY}");
    let labelled = format!("label={LABEL}");
    let all = crate::docker::lines(children, &[&list[..], &[&named]].concat()).await?;
    let ours =
        crate::docker::lines(children, &[&list[..], &[&named, "--filter", &labelled]].concat()).await?;
    if let Some(stranger) = all.iter().find(|tag| !ours.contains(tag)) {
        let message = format!("the image {stranger} is not the demo's, and in its way");
        return Err(Failure::new(message));
    }
    if ours.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["image", "rm"];
    arguments.extend(ours.iter().map(String::as_str));
    docker(children, &arguments, "").await.map(drop)
}
