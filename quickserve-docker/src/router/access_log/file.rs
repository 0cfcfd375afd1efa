//! The file of the access log, and the one before it. A worker and those it leads write to the same one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// A file that is moved away once it is longer than a limit.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    old: PathBuf,
    limit: u64,
    open: Option<File>,
    /// Whether it could not be moved away the last time.
    stays: bool,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, old: PathBuf, limit: u64) -> Self {
        Self { path, old, limit, open: None, stays: false }
    }

    /// Appends whole lines. A failure means that not all of them are there.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // Another process may have moved it away.
        if !self.open.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            let file =
                OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)?;
            self.open = Some(file);
        }
        let Some(file) = &mut self.open else { return Ok(()) };
        // At once: what two processes append does not mix.
        if is_torn(file)? {
            file.write_all(&[b"\n", lines].concat())?;
        } else {
            file.write_all(lines)?;
        }
        if file.metadata()?.len() <= self.limit {
            return Ok(());
        }
        // Who comes second finds another one there.
        if rustix::fs::flock(&*file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && is_at(file, &self.path)
        {
            let moved = fs::rename(&self.path, &self.old);
            if let (Err(error), false) = (&moved, self.stays) {
                // The lines are there all the same.
                tracing::warn!(%error, "the access log is long and cannot be moved away");
            }
            self.stays = moved.is_err();
        }
        self.open = None;
        Ok(())
    }
}

/// Whether it ends within a line, because whoever wrote that met a full disk or died.
fn is_torn(file: &File) -> io::Result<bool> {
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(false) };
    let mut end = [0];
    // Nothing is read where it was made shorter meanwhile.
    Ok(file.read_at(&mut end, last)? == 1 && end != *b"\n")
}

fn is_at(file: &File, path: &Path) -> bool {
    let ours = file.metadata().map(|facts| (facts.dev(), facts.ino()));
    let there = fs::metadata(path).map(|facts| (facts.dev(), facts.ino()));
    matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_moved_away_when_it_is_long_and_two_writers_lose_no_line() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut files = [(); 2].map(|()| LogFile::new(path.clone(), old.clone(), 50));
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let mut seen = String::new();
        for number in 0..30 {
            let before = (read(&path), read(&old));
            files[number % 2].append(format!("line {number}\n").as_bytes()).expect("written");
            if read(&old) != before.1 {
                seen.push_str(&read(&old));
                assert!(read(&old).len() <= 60, "{}", read(&old));
            }
        }
        seen.push_str(&read(&path));
        let expected: Vec<String> = (0..30).map(|number| format!("line {number}")).collect();
        assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
        assert_eq!(fs::metadata(&old).expect("the one before").mode() & 0o777, 0o600);
    }

    #[test]
    fn after_a_line_that_the_disk_cut_short_comes_a_new_one() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("log");
        let mut file = LogFile::new(path.clone(), folder.path().join("log.1"), 1000);
        file.append(b"one\n").expect("written");
        // As whoever writes to it leaves it when the disk is full.
        OpenOptions::new().append(true).open(&path).expect("the log").write_all(b"tw").expect("written");
        file.append(b"three\n").expect("written");
        file.append(b"four\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("the log"), "one\ntw\nthree\nfour\n");
    }

    #[test]
    fn one_that_cannot_be_moved_away_is_written_all_the_same() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::create_dir_all(old.join("in the way")).expect("a folder");
        let mut file = LogFile::new(path.clone(), old.clone(), 10);
        let lines = ["the first line\n", "the second\n", "the third\n"];
        for line in &lines[..2] {
            file.append(line.as_bytes()).expect("written");
        }
        fs::remove_dir_all(&old).expect("removed");
        file.append(lines[2].as_bytes()).expect("written");
        assert_eq!(fs::read_to_string(&old).expect("moved"), lines.concat());
    }
}
