//! What differs between two releases, by name and never by value.

use std::collections::{BTreeMap, BTreeSet};

use quickserve_core::release::{Release, SecretBinding, SecretVersion};
use quickserve_core::workload::Workload;
use serde::Serialize;

use crate::asked::Difference;

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
    /// How many tasks there are and shall be, where that differs.
    pub(crate) tasks: Option<(u32, u32)>,
    /// Whether anything else of what runs differs.
    pub(crate) definition: bool,
    /// How it will be reached otherwise.
    #[serde(flatten)]
    pub(crate) asked: Difference,
    /// The commit that it was built from, where another one than before is known.
    pub(crate) commit: Option<String>,
}

/// A release with so many tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sized<'a> {
    pub(crate) release: &'a Release,
    pub(crate) tasks: u32,
}

impl Change {
    /// From what serves to what shall.
    pub(crate) fn between(from: Option<Sized<'_>>, to: Sized<'_>) -> Self {
        let has_secrets = !to.release.secrets.is_empty();
        let Some(from) = from else { return Self { first: true, has_secrets, ..Self::default() } };
        let tasks = (from.tasks != to.tasks).then_some((from.tasks, to.tasks));
        let (from, to) = (from.release, to.release);
        let mut change = Self {
            first: false,
            images: images(from, to),
            variables: differing(&variables(&from.workload), &variables(&to.workload)),
            secrets: differing(&secrets(&from.secrets), &secrets(&to.secrets)),
            has_secrets,
            tasks,
            asked: Difference::default(),
            definition: bare(&from.workload) != bare(&to.workload),
            commit: (from.commit != to.commit).then(|| commit(to)),
        };
        // A task definition has more than what is modelled: what nothing else explains is a change of that.
        change.definition |= change.is_silent() && from.workload.document != to.workload.document;
        change
    }

    /// Whether no change of what runs is named.
    fn is_silent(&self) -> bool {
        self.images.is_empty() && self.variables.is_empty() && self.secrets.is_empty() && !self.definition
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
        if let Some((from, to)) = self.tasks {
            parts.push(format!("tasks {from} -> {to}"));
        }
        parts.extend(self.asked.parts());
        // What was built is compared by its digest; the commit alone makes a release too.
        if let (Some(commit), true) = (&self.commit, parts.is_empty()) {
            parts.push(format!("commit {commit}"));
        }
        match (parts.is_empty(), self.secrets.is_empty() && self.has_secrets) {
            (true, _) => "nothing".to_owned(),
            (false, true) => format!("{}; secrets unchanged", parts.join("; ")),
            (false, false) => parts.join("; "),
        }
    }
}

/// The commit of a release, shortened as people read it.
fn commit(release: &Release) -> String {
    release
        .commit
        .as_ref()
        .map_or_else(|| "unknown".to_owned(), |commit| commit.hash.chars().take(7).collect())
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
    use quickserve_core::release::{Commit, Digest, Image};

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
        let sentence = sentence(&before, &now);
        assert_eq!(sentence, "image 1.8.1 -> 1.8.2; LOG_LEVEL, +NEW, -OLD; secrets unchanged");
        let rotated = release("1.8.1", &[("LOG_LEVEL", "info"), ("OLD", "x")], "v2");
        assert_eq!(self::sentence(&before, &rotated), "secrets TOKEN");
        assert_eq!(self::sentence(&before, &before), "nothing");
        assert_eq!(Change::between(None, Sized { release: &now, tasks: 1 }).sentence(), "first release");
    }

    #[test]
    fn another_number_of_tasks_is_a_change() {
        let release = release("1", &[], "v1");
        let asked = Difference { port: Some((8085, 8080)), ..Difference::default() };
        let moved = Change { asked, ..Change::default() };
        assert_eq!(moved.sentence(), "public port 8085 -> 8080");
        let one = Sized { release: &release, tasks: 1 };
        let change = Change::between(Some(one), Sized { tasks: 3, ..one });
        assert_eq!(change.sentence(), "tasks 1 -> 3; secrets unchanged");
    }

    #[test]
    fn what_is_not_modelled_in_a_task_definition_is_a_change() {
        let with = |document: &str| {
            let mut release = release("1", &[], "v1");
            release.workload.document = Some(document.to_owned());
            release
        };
        let (before, now) = (with("{}"), with(r#"{"runtimePlatform":{"cpuArchitecture":"ARM64"}}"#));
        assert_eq!(sentence(&before, &now), "definition; secrets unchanged");
    }

    #[test]
    fn a_commit_alone_is_a_change() {
        let before = release("1", &[], "v1");
        let commit = Some(Commit { hash: "9f3c1ab".into(), dirty: false });
        let now = Release { commit, ..before.clone() };
        assert_eq!(sentence(&before, &now), "commit 9f3c1ab; secrets unchanged");
    }

    fn sentence(from: &Release, to: &Release) -> String {
        let sized = |release| Sized { release, tasks: 1 };
        Change::between(Some(sized(from)), sized(to)).sentence()
    }
}
