//! What is in the engine, before and after.

use std::collections::BTreeMap;

use crate::children::Children;
use crate::docker::lines;
use crate::failure::Result;
use crate::shop::{ENVIRONMENT, SERVICE};

/// Everything in the engine: id and a name for people.
#[derive(Debug)]
pub(crate) struct Traces {
    things: BTreeMap<String, String>,
}

/// What came to be since.
#[derive(Debug)]
pub(crate) struct Since {
    pub(crate) ours: Vec<String>,
    /// Somebody else works on this machine too.
    pub(crate) others: usize,
}

impl Traces {
    pub(crate) async fn look(children: &Children) -> Result<Self> {
        // Service and environment tell whose a thing is; images have only their ids.
        let whose = "{{.Label \"dev.quickserve.service\"}}.{{.Label \"dev.quickserve.environment\"}}";
        let container = format!("{{{{.ID}}}}\tcontainer {{{{.Names}}}} of {whose}");
        let volume = format!("volume {{{{.Name}}}}\tvolume {{{{.Name}}}} of {whose}");
        let network = "{{.ID}}\tnetwork {{.Name}}";
        let image = "{{.ID}}\timage {{.Repository}}:{{.Tag}}";
        let mut things = BTreeMap::new();
        for arguments in [
            ["ps", "--all", "--no-trunc", "--format", &container].as_slice(),
            &["volume", "ls", "--format", &volume],
            &["network", "ls", "--no-trunc", "--format", network],
            &["image", "ls", "--all", "--no-trunc", "--format", image],
        ] {
            for line in lines(children, arguments).await? {
                if let Some((id, name)) = line.split_once('\t') {
                    things.insert(id.to_owned(), name.to_owned());
                }
            }
        }
        Ok(Self { things })
    }

    /// What is new, where the images with these ids are ours.
    pub(crate) fn since(&self, before: &Self, images: &[String]) -> Since {
        let new = self.things.iter().filter(|(id, _)| !before.things.contains_key(*id));
        let (ours, others): (Vec<_>, Vec<_>) =
            new.partition(|(id, name)| images.contains(id) || is_ours(name));
        Since { ours: ours.into_iter().map(|(_, name)| name.clone()).collect(), others: others.len() }
    }

    /// What is ours by its name or labels.
    pub(crate) fn ours(&self) -> Vec<&str> {
        self.things.values().map(String::as_str).filter(|name| is_ours(name)).collect()
    }
}

fn is_ours(name: &str) -> bool {
    name.ends_with(&format!(" of {SERVICE}.{ENVIRONMENT}"))
        || name == format!("network quickserve-{ENVIRONMENT}")
        || name.starts_with(&format!("image {}:", crate::images::REPOSITORY))
        || name.starts_with(&format!("image quickserve/{SERVICE}.{ENVIRONMENT}:"))
}
