//! The file of the access log, and the one before it. A worker and those it leads write to the same one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// A file that is moved away once it is longer than a limit.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    old: PathBuf,
    limit: u64,
    open: Option<File>,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, old: PathBuf, limit: u64) -> Self {
        Self { path, old, limit, open: None }
    }

    /// Appends whole lines.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // Another process may have moved it away.
        if !self.open.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            self.open = Some(file);
        }
        let Some(file) = &mut self.open else { return Ok(()) };
        // At once: what two processes append does not mix.
        file.write_all(lines)?;
        if file.metadata()?.len() <= self.limit {
            return Ok(());
        }
        // Who comes second finds another one there.
        if rustix::fs::flock(&*file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && is_at(file, &self.path)
        {
            fs::rename(&self.path, &self.old)?;
        }
        self.open = None;
        Ok(())
    }
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
}
