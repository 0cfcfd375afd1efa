//! What the code says of the ports that it listens on: whether `PORT` means anything to it, and which others it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Container, Definition};
use crate::code::paths;
use crate::{Facts, Subject, inside};

/// How many files are read at most to find a port. A larger project may name it anywhere.
const FILES: usize = 300;

/// Files in which a port may be written.
const KINDS: [&str; 27] = [
    "js",
    "mjs",
    "cjs",
    "ts",
    "mts",
    "cts",
    "jsx",
    "tsx",
    "py",
    "go",
    "rs",
    "rb",
    "java",
    "kt",
    "scala",
    "php",
    "cs",
    "ex",
    "exs",
    "yml",
    "yaml",
    "properties",
    "toml",
    "conf",
    "ini",
    "sh",
    "env",
];

/// What the code says of ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// Whether it reads the variable `PORT`, which is a convention that many programs do not know.
    pub reads_port: bool,
    /// Ports that health checks ask, that no container is said to have, and that the code names all the same.
    pub named: BTreeSet<u16>,
}

impl Listener {
    /// That of the code of a subject.
    pub(crate) fn of(subject: &Subject, facts: &Facts, definition: &Definition) -> Self {
        let reads_port = facts.code.usages_of("PORT").next().is_some();
        let containers = definition.containers();
        let mut asked: BTreeSet<u16> =
            containers.iter().filter_map(|container| Some(container.health_url()?.port)).collect();
        for (port, _) in containers.iter().flat_map(Container::ports) {
            asked.remove(&port);
        }
        if asked.is_empty() || !reads_port {
            return Self { reads_port, named: asked };
        }
        let files: Vec<&PathBuf> = facts.code.files.iter().filter(|path| may_name(path)).collect();
        if files.len() > FILES {
            return Self { reads_port, named: asked };
        }
        let own = containers.iter().flat_map(Container::environment);
        let own = own.filter_map(|(_, value, _)| value.as_str().map(str::to_owned));
        let words = ["command", "entryPoint"].iter().flat_map(|key| {
            containers.iter().flat_map(move |container| container.items(key)).filter_map(|item| item.as_str())
        });
        let image = facts.build.dockerfile.iter().map(|dockerfile| dockerfile.file.text.clone());
        let texts = files.into_iter().filter_map(|path| Some(inside::read(subject, path).ok()?.text));
        let mut named = BTreeSet::new();
        for text in own.chain(words.map(str::to_owned)).chain(image).chain(texts) {
            named.extend(asked.iter().copied().filter(|port| names(&text, *port)));
        }
        Self { reads_port, named }
    }
}

fn may_name(path: &Path) -> bool {
    let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    KINDS.contains(&kind) && !paths::is_beside(path) && !path.starts_with(".github")
}

/// Whether a text has a number as a whole.
fn names(text: &str, port: u16) -> bool {
    let port = port.to_string();
    text.split(|char: char| !char.is_ascii_digit()).any(|number| number == port)
}
