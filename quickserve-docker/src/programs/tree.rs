//! The paths of an image that are of interest, from all of its layers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Layer, base};

/// Where programs are looked for in an image that does not say it: what runc takes.
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many links are followed at most. Linux follows 40.
const LINKS: usize = 40;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    config: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(rename = "Env", default)]
    environment: Option<Vec<String>>,
}

/// Where an image looks for programs, by its configuration; `None` where that cannot be read.
pub(super) fn search_path(config: &[u8]) -> Option<String> {
    let config: Config = serde_json::from_slice(config).ok()?;
    let environment = config.config.and_then(|config| config.environment).unwrap_or_default();
    let set = environment.iter().find_map(|variable| variable.strip_prefix("PATH="));
    Some(set.unwrap_or(DEFAULT_PATH).to_owned())
}

/// What all layers together have.
#[derive(Debug, Default)]
pub(super) struct Tree {
    paths: BTreeSet<String>,
    links: BTreeMap<String, String>,
}

impl Tree {
    /// Puts a layer on top.
    pub(super) fn lay(&mut self, layer: &Layer) {
        self.paths.retain(|path| !layer.hides(path));
        self.links.retain(|path, _| !layer.hides(path) && !layer.folders.contains(path));
        self.paths.extend(layer.added.iter().cloned());
        self.links.extend(layer.links.iter().map(|(path, target)| (path.clone(), target.clone())));
    }

    /// Whether it has what is run under that name; `None` where nobody knows.
    pub(super) fn has(&self, program: &str, search: Option<&str>) -> Option<bool> {
        if program.starts_with('/') {
            return self.has_path(program);
        }
        if program.contains('/') {
            return None;
        }
        // What a shell's own start may add to the search.
        let in_bin = |path: &String| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            base(path) == program && matches!(base(folder), "bin" | "sbin")
        };
        if self.paths.iter().any(in_bin) {
            return Some(true);
        }
        let mut known = true;
        for folder in search?.split(':') {
            if !folder.starts_with('/') {
                // It depends on where one stands.
                known &= folder.is_empty() && search == Some("");
                continue;
            }
            match self.has_path(&format!("{}/{program}", folder.trim_end_matches('/'))) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = false,
            }
        }
        known.then_some(false)
    }

    fn has_path(&self, absolute: &str) -> Option<bool> {
        let resolved = self.resolved(absolute)?;
        // Many images have /bin as a link to /usr/bin.
        Some(self.paths.contains(&resolved) || self.paths.contains(&format!("usr/{resolved}")))
    }

    /// The path without links among its folders; `None` where they lead in a circle.
    fn resolved(&self, absolute: &str) -> Option<String> {
        let mut ahead: Vec<String> = parts(absolute);
        let mut behind: Vec<String> = Vec::new();
        let mut followed = 0;
        while let Some(part) = ahead.pop() {
            if part == ".." {
                behind.pop();
                continue;
            }
            behind.push(part);
            // The last part may be a link itself: then it is there.
            let target = self.links.get(&behind.join("/")).filter(|_| !ahead.is_empty());
            let Some(target) = target else { continue };
            followed += 1;
            if followed > LINKS {
                return None;
            }
            behind.pop();
            if target.starts_with('/') {
                behind.clear();
            }
            ahead.extend(parts(target));
        }
        Some(behind.join("/"))
    }
}

/// The parts of a path, the last first.
fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").rev().map(str::to_owned).collect()
}
