//! A text file, read strictly: what cannot be read is a finding, never a panic and never a silent gap.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use quickserve_core::document::{Source, Span};
use quickserve_core::finding::{Code, Finding, Place};

/// The largest file that is read, in bytes. No file that a person wrote is larger.
pub(crate) const LIMIT: u64 = 8 << 20;

/// A text file with the name that findings call it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// What findings call it.
    pub file: String,
    /// All of it. A byte order mark at its beginning is left out.
    pub text: String,
}

impl Text {
    /// Reads a file.
    ///
    /// # Errors
    /// A finding where it is not there, no file, larger than 8 MiB, not UTF-8, or may not be read.
    pub fn read(path: &Path, file: &str) -> Result<Self, Box<Finding>> {
        let wrong_at = |line: usize, what: &str, hint: &str| {
            let finding = Finding::error(Code::CONFIGURED_FILE, format!("{file} {what}")).with_hint(hint);
            Box::new(finding.at(Place { file: file.to_owned(), line, column: 1 }))
        };
        let wrong = |what: &str, hint: &str| wrong_at(1, what, hint);
        let failed = |error: &io::Error| match error.kind() {
            ErrorKind::NotFound => wrong("does not exist", "make it, or correct its name"),
            _ => wrong(&format!("cannot be read: {error}"), "make it a text file that you may read"),
        };
        let opened = open(path).map_err(|error| failed(&error))?;
        let Some(opened) = opened else { return Err(wrong("is no file", "name a text file")) };
        let mut bytes = Vec::new();
        opened.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        if bytes.len() as u64 > LIMIT {
            let what = format!("is larger than {} MiB", LIMIT >> 20);
            return Err(wrong(&what, "name the file that a person wrote"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
            wrong_at(line, &format!("is not UTF-8 text, at line {line}"), "save it as UTF-8")
        })?;
        Ok(Self::new(file, text))
    }

    /// A text that is in hand.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Self { file: file.into(), text }
    }

    /// For places and excerpts in it.
    pub fn source(&self) -> Source<'_> {
        Source { file: &self.file, text: &self.text }
    }

    /// An error at that place, with its line.
    pub fn error(&self, code: Code, span: &Span, message: impl Into<String>) -> Finding {
        self.source().error(code, span, message)
    }

    /// A warning at that place, with its line.
    pub fn warning(&self, code: Code, span: &Span, message: impl Into<String>) -> Finding {
        self.source().warning(code, span, message)
    }

    /// Something worth knowing at that place, with its line.
    pub fn info(&self, code: Code, span: &Span, message: impl Into<String>) -> Finding {
        self.source().info(code, span, message)
    }
}

/// Opens what is a file; `None` for what is none. A pipe or a device could be read for ever, and a pipe to which nobody
/// writes would not even be opened: so nothing is waited for, and it is what was opened that is looked at.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    // Some devices do something when they are opened.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let not_waiting = rustix::fs::OFlags::NONBLOCK.bits();
        options.custom_flags(i32::try_from(not_waiting).map_err(io::Error::other)?);
    }
    let opened = options.open(path)?;
    Ok(opened.metadata()?.is_file().then_some(opened))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_a_finding() {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
        write("latin", b"a\nb\n\xe9");
        write("bom", "\u{feff}a=1".as_bytes());
        std::os::unix::fs::symlink("loop", folder.path().join("loop")).expect("a link");
        let message =
            |name: &str| Text::read(&folder.path().join(name), name).expect_err("a finding").message;
        assert_eq!(message("absent"), "absent does not exist");
        assert_eq!(message("latin"), "latin is not UTF-8 text, at line 3");
        assert!(message("loop").starts_with("loop cannot be read: "));
        assert_eq!(Text::read(folder.path(), "folder").expect_err("a finding").message, "folder is no file");
        assert_eq!(Text::read(&folder.path().join("bom"), "bom").expect("a text").text, "a=1");
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("pipe"), rustix::fs::Mode::RWXU)
            .expect("a pipe");
        assert_eq!(message("pipe"), "pipe is no file");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero")).expect("a link");
        assert_eq!(message("zero"), "zero is no file");
        let at = Text::read(&folder.path().join("latin"), "latin").expect_err("a finding");
        assert_eq!(at.place().expect("a place").to_string(), "latin:3:1");
        let huge = File::create(folder.path().join("huge")).expect("a file");
        huge.set_len(100 << 20).expect("a sparse file");
        assert_eq!(message("huge"), "huge is larger than 8 MiB");
    }
}
