//! The build context: which files there are, which of them Docker gets, and which of them nobody should.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use quickserve_core::finding::{Code, Finding};

use super::ignore::{Ignore, clean, glob};
use super::secrecy;
use crate::code::paths::is_beside;
use crate::inside::inside;
use crate::secrets::is_values;
use crate::{Subject, Text};

/// Folders whose content nobody wrote. They are seen and not looked into.
const UNWRITTEN: [&str; 9] =
    [".git", "node_modules", "target", ".venv", "venv", "__pycache__", ".terraform", ".next", ".gradle"];

/// How many files are looked at. A context of more is not one that a person keeps in mind.
const FILES: usize = 100_000;

/// The folder that is built from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Context {
    /// Where it is.
    pub folder: PathBuf,
    /// What findings call it.
    pub shown: String,
    /// What stays out of it.
    pub ignore: Option<Ignore>,
    /// All in it, but what is inside of folders that nobody wrote; relative, `/` between parts, sorted.
    pub(crate) entries: Vec<String>,
    /// Files that may hold secrets.
    pub(crate) sensitive: Vec<Sensitive>,
}

/// A file that may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sensitive {
    pub(crate) path: String,
    /// Whether its content is one, and not its name alone.
    pub(crate) is_certain: bool,
}

/// What becomes of a path of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Sent,
    Ignored,
    Missing,
}

impl Context {
    /// Reads the context of a Dockerfile.
    pub(crate) fn read(subject: &Subject, dockerfile: &Path, findings: &mut Vec<Finding>) -> Self {
        let relative = subject.context.clone().unwrap_or_default();
        let folder = subject.path(&relative);
        let ignore = ignore_file(subject, dockerfile, &relative).and_then(|path| {
            let file = Text::read(&subject.path(&path), &subject.name(&path));
            let mut faults = Vec::new();
            let ignore = file.map_err(|finding| findings.push(*finding)).ok()?;
            let ignore = Ignore::new(ignore, &mut faults);
            let wrong = |fault: super::Fault| fault.error(&ignore.file, Code::DOCKERFILE_SYNTAX);
            findings.extend(faults.into_iter().map(wrong));
            Some(ignore)
        });
        let entries = entries(&folder);
        let sensitive = entries.iter().filter_map(|path| sensitive(&folder, path)).collect();
        Self { shown: subject.name(&relative), folder, ignore, entries, sensitive }
    }

    /// A context without a file.
    #[cfg(feature = "fuzz")]
    pub(crate) fn empty() -> Self {
        let folder = PathBuf::from("no-such-folder");
        Self { folder, shown: String::new(), ignore: None, entries: Vec::new(), sensitive: Vec::new() }
    }

    /// What becomes of that path.
    pub(crate) fn state(&self, path: &str) -> State {
        if path.contains('\0') || std::fs::symlink_metadata(self.folder.join(path)).is_err() {
            State::Missing
        } else if path != "." && self.excludes(path) {
            State::Ignored
        } else {
            State::Sent
        }
    }

    pub(crate) fn excludes(&self, path: &str) -> bool {
        self.ignore.as_ref().is_some_and(|ignore| ignore.excludes(path))
    }

    /// All paths that a pattern of `COPY` means.
    pub(crate) fn matching(&self, pattern: &str) -> Vec<&str> {
        let Some(pattern) = glob(&clean(pattern)) else { return Vec::new() };
        self.entries.iter().map(|entry| &**entry).filter(|entry| pattern.is_match(entry)).collect()
    }

    /// A text file of the context.
    pub(crate) fn text(&self, path: &str) -> Option<Text> {
        Text::read(&inside(&self.folder, Path::new(path))?, path).ok()
    }

    /// What findings call a file of it.
    pub(crate) fn name(&self, path: &str) -> String {
        if self.shown.is_empty() { path.to_owned() } else { format!("{}/{path}", self.shown) }
    }

    pub(crate) fn is_folder(&self, path: &str) -> bool {
        self.folder.join(path).is_dir()
    }
}

/// The `.dockerignore` of that Dockerfile before that of the context.
fn ignore_file(subject: &Subject, dockerfile: &Path, context: &Path) -> Option<PathBuf> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    let paths = [PathBuf::from(own), context.join(".dockerignore")];
    paths.into_iter().find(|path| subject.path(path).is_file())
}

fn entries(folder: &Path) -> Vec<String> {
    let mut entries = Vec::new();
    let mut folders = VecDeque::from([String::new()]);
    // Breadth first, so that a deep tree cannot hide what is near the root. Links are not followed: no loop.
    while let Some(path) = folders.pop_front()
        && entries.len() < FILES
    {
        for entry in std::fs::read_dir(folder.join(&path)).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_written = !UNWRITTEN.contains(&&*name);
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            if is_written && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push_back(path.clone());
            }
            entries.push(path);
        }
    }
    entries.sort();
    entries
}

fn sensitive(folder: &Path, path: &str) -> Option<Sensitive> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let has_values = is_values(name);
    if !has_values && !secrecy::is_key_file(name) || folder.join(path).is_dir() {
        return None;
    }
    // What cannot be read as text is judged by its name: a key store is binary.
    let text = inside(folder, Path::new(path)).and_then(|there| Text::read(&there, path).ok());
    let holds_secret = match &text {
        Some(text) if has_values => secrecy::has_secret_value(&text.text),
        Some(text) => secrecy::has_key(&text.text),
        None => false,
    };
    if text.is_some() && !holds_secret && !has_values {
        // A certificate, or a configuration without a token.
        return None;
    }
    if text.is_some_and(|text| text.text.trim().is_empty()) {
        return None;
    }
    Some(Sensitive { path: path.to_owned(), is_certain: holds_secret && !is_beside(Path::new(path)) })
}
