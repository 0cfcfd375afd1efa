//! Files that nobody has named, but that were found: only those of the project are read, and no link leads out of it.

use std::path::{Path, PathBuf};

use quickserve_core::finding::{Code, Finding, Severity};

use crate::{Subject, Text};

/// Where a path of a folder leads to, links followed; nothing where that is not there, or not in the folder.
pub(crate) fn inside(folder: &Path, path: &Path) -> Option<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let found = folder.join(path).canonicalize().ok()?;
    found.starts_with(folder.canonicalize().ok()?).then_some(found)
}

/// Reads a file of the project that was found at that path.
///
/// # Errors
/// A finding where it cannot be read, or is a link that leads out of the project.
pub(crate) fn read(subject: &Subject, path: &Path) -> Result<Text, Box<Finding>> {
    let (there, name) = (subject.path(path), subject.name(path));
    if there.exists() && inside(&subject.root, path).is_none() {
        let message = format!("{name} leads out of the project, and was not read");
        let finding = Finding::new(Code::CONFIGURED_FILE, Severity::Warning, message).on(name);
        return Err(Box::new(finding.with_hint("put the file itself there")));
    }
    Text::read(&there, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_the_project_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("project");
        std::fs::create_dir(&root).expect("a folder");
        std::fs::write(folder.path().join("outer"), "1").expect("written");
        std::fs::write(root.join("inner"), "2").expect("written");
        std::os::unix::fs::symlink("../outer", root.join("out")).expect("a link");
        std::os::unix::fs::symlink("inner", root.join("in")).expect("a link");
        let subject = Subject { root, ..Subject::default() };
        let said = |path: &str| match read(&subject, Path::new(path)) {
            Ok(text) => text.text,
            Err(finding) => finding.message,
        };
        assert_eq!(said("in"), "2");
        for path in ["out", "../outer", folder.path().join("outer").to_str().expect("a path")] {
            assert_eq!(said(path), format!("{path} leads out of the project, and was not read"));
        }
        assert_eq!(said("absent"), "absent does not exist");
    }
}
