//! The one walk through a project: each file is read once, for variables and for secrets, and only results are kept.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use ignore::{DirEntry, WalkBuilder, WalkState};
use quickserve_core::finding::{Code as Kind, Finding, Severity};

use super::git::{self, Tracked};
use super::language::Language;
use super::usage::{Usage, usages};
use super::{Code, paths};
use crate::Subject;
use crate::secrets::{self, Sighting, Standing};

/// The largest file whose text is looked at, in bytes. People write none that is larger.
const LIMIT: u64 = 1 << 20;

/// How much of a file tells whether it is text, in bytes.
const HEAD: usize = 8 << 10;

/// How many threads read at most: more only wait for each other and for the disk.
const THREADS: usize = 8;

/// How many names a finding lists.
const LISTED: usize = 3;

/// What one file gave.
#[derive(Debug, Default)]
struct Seen {
    path: PathBuf,
    is_file: bool,
    usages: Vec<Usage>,
    secrets: Option<(Standing, Vec<Sighting>)>,
    unread: Option<Unread>,
}

/// What could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    File,
    /// With all that is in it.
    Folder,
}

/// Reads all files that git would take, and those that it has taken.
pub(super) fn walk(subject: &Subject) -> (Code, Vec<Finding>) {
    let root = if subject.root.as_os_str().is_empty() { Path::new(".") } else { &subject.root };
    let (mut seen, tracked) = thread::scope(|scope| {
        let tracked = scope.spawn(|| git::tracked(root));
        // A panic there is a fault of ours; without an answer the check is milder, and goes on.
        (files(subject, root), tracked.join().unwrap_or_default())
    });
    let walked: HashSet<&OsStr> = seen.iter().map(|seen| seen.path.as_os_str()).collect();
    let missed = missed(root, tracked.as_ref(), &walked);
    // What is ignored and committed all the same, as a `.env` often is.
    seen.extend(missed.into_iter().filter_map(|path| {
        let seen = look(subject, root, path, &mut Vec::new());
        seen.secrets.is_some().then_some(seen)
    }));
    seen.sort_by(|one, next| one.path.cmp(&next.path));
    gather(subject, seen, tracked.as_ref())
}

fn gather(subject: &Subject, seen: Vec<Seen>, tracked: Option<&Tracked>) -> (Code, Vec<Finding>) {
    let mut code = Code::default();
    let (mut searched, mut files, mut folders) = (Vec::new(), Vec::new(), Vec::new());
    for seen in seen {
        let path = if seen.path.as_os_str().is_empty() { Path::new(".") } else { &seen.path };
        match seen.unread {
            Some(Unread::File) => files.push(subject.name(path)),
            Some(Unread::Folder) => folders.push(subject.name(path)),
            None => {}
        }
        code.usages.extend(seen.usages);
        let is_contract = subject.contract.as_deref() == Some(&seen.path);
        if let Some((standing, sightings)) = seen.secrets
            && !(is_contract && standing == Standing::Values)
        {
            searched.push((seen.path.clone(), standing, sightings));
        }
        if seen.is_file {
            code.files.insert(seen.path);
        }
    }
    code.committed = secrets::findings(tracked, &searched, |path| subject.name(path));
    (code, unread_folders(&folders).into_iter().chain(unread_files(&files)).collect())
}

/// The files that git has and the walk left out, without those in folders that it never looks into.
fn missed(root: &Path, tracked: Option<&Tracked>, walked: &HashSet<&OsStr>) -> Vec<PathBuf> {
    let unseen = tracked.into_iter().flat_map(Tracked::names).filter(|name| !walked.contains(name));
    let is_there = |path: &&Path| {
        let is_skipped = path.iter().any(|part| part.to_str().is_some_and(paths::is_skipped));
        !is_skipped && root.join(path).symlink_metadata().is_ok_and(|metadata| metadata.is_file())
    };
    unseen.map(Path::new).filter(is_there).map(Path::to_owned).collect()
}

/// All files, in any order.
fn files(subject: &Subject, root: &Path) -> Vec<Seen> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let mut builder = WalkBuilder::new(root);
    // What is left out is what the project itself says: no file of another tool or of the person who checks.
    builder
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .require_git(false)
        .follow_links(false)
        .threads(threads);
    builder.filter_entry(|entry| {
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        entry.depth() == 0 || !is_folder || !entry.file_name().to_str().is_some_and(paths::is_skipped)
    });
    let (sender, receiver) = channel();
    builder.build_parallel().run(|| {
        let sender: Sender<Seen> = sender.clone();
        let mut buffer = Vec::new();
        Box::new(move |entry| {
            let seen = match entry {
                Ok(entry) => visit(subject, root, &entry, &mut buffer),
                Err(error) => unwalked(root, &error),
            };
            // The receiver lives until the walk has ended.
            let is_wanted = seen.is_none_or(|seen| sender.send(seen).is_ok());
            if is_wanted { WalkState::Continue } else { WalkState::Quit }
        })
    });
    drop(sender);
    receiver.into_iter().collect()
}

fn visit(subject: &Subject, root: &Path, entry: &DirEntry, buffer: &mut Vec<u8>) -> Option<Seen> {
    let kind = entry.file_type()?;
    let path = entry.path().strip_prefix(root).ok()?.to_owned();
    if kind.is_symlink() {
        // It counts as a file; what it leads to is read where it is.
        return Some(Seen { path, is_file: true, ..Seen::default() });
    }
    kind.is_file().then(|| look(subject, root, path, buffer))
}

/// A folder or file that the walk could not look into.
fn unwalked(root: &Path, error: &ignore::Error) -> Option<Seen> {
    let there = path_of(error)?;
    let unread = if there.is_dir() { Unread::Folder } else { Unread::File };
    let path = there.strip_prefix(root).ok()?.to_owned();
    Some(Seen { path, unread: Some(unread), ..Seen::default() })
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        ignore::Error::Loop { child, .. } => Some(child),
        _ => None,
    }
}

fn look(subject: &Subject, root: &Path, path: PathBuf, buffer: &mut Vec<u8>) -> Seen {
    let language = Language::of(&path).filter(|_| !paths::is_beside(&path));
    let is_searched = secrets::is_searched(&path);
    if language.is_none() && !is_searched {
        return Seen { path, is_file: true, ..Seen::default() };
    }
    let text = match text(&root.join(&path), buffer) {
        Ok(Some(text)) => text,
        Ok(None) => return Seen { path, is_file: true, ..Seen::default() },
        Err(_) => return Seen { path, is_file: true, unread: Some(Unread::File), ..Seen::default() },
    };
    let file = subject.name(&path);
    let usages = language.map(|language| usages(language, &file, &text)).unwrap_or_default();
    let standing = Standing::of(&path);
    let found = is_searched.then(|| secrets::search(standing, &file, &text)).flatten();
    Seen { usages, secrets: found.map(|found| (standing, found)), is_file: true, unread: None, path }
}

/// The text of a file; nothing where it is large, or no text.
fn text<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> io::Result<Option<Cow<'b, str>>> {
    buffer.clear();
    // What became a pipe after the look at its kind would be waited for.
    let Some(file) = crate::text::open(path)? else { return Ok(None) };
    let mut file = file.take(LIMIT + 1);
    // The size is only what to expect: it may change, and says nothing where a file is made when it is read.
    if file.get_ref().metadata()?.len() > LIMIT {
        return Ok(None);
    }
    file.by_ref().take(HEAD as u64).read_to_end(buffer)?;
    if buffer.contains(&0) {
        return Ok(None);
    }
    file.read_to_end(buffer)?;
    let is_text = buffer.len() as u64 <= LIMIT;
    let bytes = buffer.strip_prefix("\u{feff}".as_bytes()).unwrap_or(buffer);
    // Nearly all is UTF-8, and to see so is much faster than to look for what is not.
    let text = || str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    Ok(is_text.then(text))
}

/// One finding for all that could not be read: a tree has either none or very many.
fn unread_files(names: &[String]) -> Option<Finding> {
    let first = names.first()?;
    let message = match names.len() {
        1 => format!("{first} cannot be read, so that it was not searched for variables and secrets"),
        count => {
            let listed = listed(names);
            format!(
                "{count} files cannot be read, so that they were not searched for variables and secrets: {listed}"
            )
        }
    };
    let hint = "let the user who checks read them, or list them in .gitignore";
    Some(Finding::new(Kind::CONFIGURED_FILE, Severity::Info, message).on(first.clone()).with_hint(hint))
}

/// One finding for all folders that could not be looked into. A workflow or a script may be there as well as code, so that
/// it is told without being asked for.
fn unread_folders(names: &[String]) -> Option<Finding> {
    let first = names.first()?;
    let message = match names.len() {
        1 => format!("folder {first} cannot be read, so that nothing in it was checked"),
        count => {
            format!("{count} folders cannot be read, so that nothing in them was checked: {}", listed(names))
        }
    };
    let hint = "let the user who checks read them, or list them in .gitignore";
    Some(Finding::new(Kind::CONFIGURED_FILE, Severity::Warning, message).on(first.clone()).with_hint(hint))
}

/// The first of many names.
fn listed(names: &[String]) -> String {
    let more = if names.len() > LISTED { ", ..." } else { "" };
    format!("{}{more}", names[..names.len().min(LISTED)].join(", "))
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
