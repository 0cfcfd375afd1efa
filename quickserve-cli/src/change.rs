//! What differs between two releases, by name and never by value.

use std::collections::{BTreeMap, BTreeSet};

use quickserve_core::release::{Release, SecretBinding, SecretVersion};
use quickserve_core::workload::Workload;
use serde::Serialize;

/// What a release changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// Whether nothing was there before.
    pub(crate) first: bool,
    /// Images whose digest differs, in words.
    pub(crate) images: Vec<String>,
    /// Names of plain variables that differ; `+` in front where they are new, `-` where they went.
    pub(crate) variables: Vec<String>,
    /// Names of secret variables whose version differs, marked as `variables` are.
    pub(crate) secrets: Vec<String>,
    /// Whether the release has secrets at all.
    pub(crate) has_secrets: bool,
    /// Whether anything else of what runs differs.
    pub(crate) definition: bool,
}

impl Change {
    /// From what serves to what shall.
    pub(crate) fn between(from: Option<&Release>, to: &Release) -> Self {
        let has_secrets = !to.secrets.is_empty();
        let Some(from) = from else { return Self { first: true, has_secrets, ..Self::default() } };
        Self {
            first: false,
            images: images(from, to),
            variables: differing(&variables(&from.workload), &variables(&to.workload)),
            secrets: differing(&secrets(&from.secrets), &secrets(&to.secrets)),
            has_secrets,
            definition: bare(&from.workload) != bare(&to.workload),
        }
    }

    /// One line for a person.
    pub(crate) fn sentence(&self) -> String {
        if self.first {
            return "first release".to_owned();
        }
        let mut parts = self.images.clone();
        if !self.variables.is_empty() {
            parts.push(self.variables.join(", "));
        }
        if !self.secrets.is_empty() {
            parts.push(format!("secrets {}", self.secrets.join(", ")));
        }
        if self.definition {
            parts.push("definition".to_owned());
        }
        match (parts.is_empty(), self.secrets.is_empty() && self.has_secrets) {
            (true, _) => "nothing".to_owned(),
            (false, true) => format!("{}; secrets unchanged", parts.join("; ")),
            (false, false) => parts.join("; "),
        }
    }
}

fn images(from: &Release, to: &Release) -> Vec<String> {
    let mut changes = Vec::new();
    for (container, image) in &to.images {
        // With one container its name says nothing.
        let what = if to.images.len() == 1 { "image".to_owned() } else { format!("image of {container}") };
        let name = |image: &quickserve_core::release::Image| match image.tag() {
            Some(tag) => tag.to_owned(),
            None => format!("{:#}", image.digest),
        };
        match from.images.get(container) {
            None => changes.push(format!("{what} +{}", name(image))),
            Some(before) if before.digest == image.digest => {}
            Some(before) if name(before) == name(image) => {
                changes.push(format!("{what} {} rebuilt", name(image)));
            }
            Some(before) => changes.push(format!("{what} {} -> {}", name(before), name(image))),
        }
    }
    let gone = from.images.keys().filter(|container| !to.images.contains_key(*container));
    changes.extend(gone.map(|container| format!("container -{container}")));
    changes
}

type Named<'a, T> = BTreeMap<(&'a str, &'a str), T>;

fn variables(workload: &Workload) -> Named<'_, &str> {
    let mut variables = Named::new();
    for container in &workload.containers {
        for (name, value) in &container.environment {
            variables.insert((&container.name, name), value.as_str());
        }
    }
    variables
}

fn secrets(bindings: &[SecretBinding]) -> Named<'_, (&str, &SecretVersion)> {
    let mut secrets = Named::new();
    for binding in bindings {
        secrets.insert((&binding.container, &binding.variable), (binding.source.as_str(), &binding.version));
    }
    secrets
}

/// Names that differ. Once each, though several containers have them.
fn differing<T: PartialEq>(from: &Named<'_, T>, to: &Named<'_, T>) -> Vec<String> {
    let keys: BTreeSet<&(&str, &str)> = from.keys().chain(to.keys()).collect();
    let marked: BTreeSet<(&str, &str)> = keys
        .into_iter()
        .filter_map(|key| match (from.get(key), to.get(key)) {
            (None, _) => Some((key.1, "+")),
            (_, None) => Some((key.1, "-")),
            (Some(before), Some(now)) => (before != now).then_some((key.1, "")),
        })
        .collect();
    marked.into_iter().map(|(name, mark)| format!("{mark}{name}")).collect()
}

/// What runs, without what is compared on its own.
fn bare(workload: &Workload) -> Workload {
    let mut bare = workload.clone();
    bare.document = None;
    for container in &mut bare.containers {
        container.environment.clear();
        container.secrets.clear();
    }
    bare
}

#[cfg(test)]
mod tests {
    use quickserve_core::release::{Digest, Image};

    use super::*;

    fn release(tag: &str, variables: &[(&str, &str)], secret: &str) -> Release {
        let mut workload = Workload::single("app");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        workload.containers[0].environment = variables.collect();
        let image =
            Image { reference: format!("shop:{tag}"), digest: Digest::of(tag.as_bytes()), manifest: None };
        let binding = SecretBinding {
            container: "app".into(),
            variable: "TOKEN".into(),
            source: "TOKEN".into(),
            version: SecretVersion::Pinned(secret.into()),
        };
        Release::new(tag, [("app".to_owned(), image)].into(), vec![binding], workload, None)
            .expect("a release")
    }

    #[test]
    fn a_change_names_what_differs_and_no_value() {
        let before = release("1.8.1", &[("LOG_LEVEL", "info"), ("OLD", "x")], "v1");
        let now = release("1.8.2", &[("LOG_LEVEL", "debug"), ("NEW", "y")], "v1");
        let sentence = Change::between(Some(&before), &now).sentence();
        assert_eq!(sentence, "image 1.8.1 -> 1.8.2; LOG_LEVEL, +NEW, -OLD; secrets unchanged");
        let rotated = release("1.8.1", &[("LOG_LEVEL", "info"), ("OLD", "x")], "v2");
        assert_eq!(Change::between(Some(&before), &rotated).sentence(), "secrets TOKEN");
        assert_eq!(Change::between(Some(&before), &before).sentence(), "nothing");
        assert_eq!(Change::between(None, &now).sentence(), "first release");
    }
}
