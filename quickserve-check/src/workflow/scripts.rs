//! The shell scripts of a project: those of the folders where scripts are kept, and those that are called.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use quickserve_core::finding::Finding;

use crate::workflow::mapped::Mapping;
use crate::workflow::shell::Shell;
use crate::{Subject, Text, inside};

/// Where scripts are looked for. In the root itself only its own files are.
const FOLDERS: [&str; 6] = ["scripts", "script", "deploy", "bin", "ci", ".github"];

/// How deep folders are looked into, and how many scripts are read at most.
const DEPTH: usize = 4;
const SCRIPTS: usize = 500;

/// A shell script.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Script {
    /// Relative to the root.
    pub path: PathBuf,
    /// The file.
    pub file: Text,
    /// The program of its first line, such as `/bin/bash`.
    pub interpreter: Option<String>,
    /// Its commands.
    pub commands: Shell,
}

/// What a path that is called leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// A file that may be run.
    Executable,
    /// A file that may not be run.
    NotExecutable,
}

impl Script {
    /// Reads a script.
    pub(crate) fn of(path: PathBuf, file: Text) -> Self {
        let first = file.text.lines().next().and_then(|line| line.strip_prefix("#!"));
        let interpreter = first.map(|line| line.trim().to_owned());
        let commands = Shell::read(&file.text, &Mapping::identity());
        Self { path, file, interpreter, commands }
    }

    /// Whether bash runs it.
    pub fn is_bash(&self) -> bool {
        self.interpreter.as_ref().is_some_and(|interpreter| interpreter.contains("bash"))
    }
}

/// The scripts in the usual folders, and what could not be read of them.
pub(crate) fn read(subject: &Subject) -> (BTreeMap<PathBuf, Script>, Vec<Finding>) {
    let mut paths = Vec::new();
    list(&subject.root, Path::new(""), 0, &mut paths);
    for folder in FOLDERS {
        list(&subject.root, Path::new(folder), DEPTH, &mut paths);
    }
    let mut scripts = BTreeMap::new();
    let mut findings = Vec::new();
    for path in paths {
        match inside::read(subject, &path) {
            Ok(file) => {
                scripts.insert(path.clone(), Script::of(path, file));
            }
            Err(finding) => findings.push(*finding),
        }
    }
    (scripts, findings)
}

/// Lists the scripts of a folder. Links to folders are not followed: they may lead in a circle.
fn list(root: &Path, folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    // The folder itself may be a link.
    let folder_there = inside::inside(root, folder);
    let entries = folder_there.into_iter().flat_map(std::fs::read_dir).flatten().flatten();
    let mut entries: Vec<_> = entries.map(|entry| (entry.file_name(), entry.file_type())).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in entries {
        let path = folder.join(&name);
        match kind {
            Ok(kind) if kind.is_dir() && depth > 0 && name != "node_modules" => {
                list(root, &path, depth - 1, paths);
            }
            Ok(kind) if !kind.is_dir() && is_script(&path) && paths.len() < SCRIPTS => paths.push(path),
            _ => {}
        }
    }
}

/// Whether its name says that it is a shell script.
pub(crate) fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sh" || extension == "bash")
}

/// A path from the root, without `.` and `..`; none where it leads out of the root.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => normal.push(part),
            Component::CurDir => {}
            Component::ParentDir if normal.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}

/// What is there.
pub(crate) fn look(path: &Path) -> Found {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => Found::NotExecutable,
        Ok(_) => Found::Executable,
        Err(_) => Found::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_the_usual_folders_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for path in
            ["deploy.sh", "scripts/a/b.sh", "deploy/x.bash", "src/no.sh", "scripts/node_modules/no.sh"]
        {
            std::fs::create_dir_all(root.join(path).parent().expect("a folder")).expect("a folder");
            std::fs::write(root.join(path), "#!/usr/bin/env bash\necho hi\n").expect("written");
        }
        std::fs::write(root.join("scripts/latin.sh"), b"echo \xe9").expect("written");
        std::os::unix::fs::symlink("..", root.join("scripts/loop")).expect("a link");
        let (scripts, findings) = read(&Subject::in_folder(root));
        let paths: Vec<_> = scripts.keys().map(|path| path.display().to_string()).collect();
        assert_eq!(paths, ["deploy/x.bash", "deploy.sh", "scripts/a/b.sh"]);
        assert!(scripts.values().all(Script::is_bash));
        assert_eq!(findings[0].message, "scripts/latin.sh is not UTF-8 text, at line 1");
    }

    #[test]
    fn a_path_never_leads_out_of_the_root() {
        assert_eq!(normal(Path::new("./a/../b")), Some("b".into()));
        assert_eq!(normal(Path::new("../b")), None);
        assert_eq!(normal(Path::new("/b")), None);
    }
}
