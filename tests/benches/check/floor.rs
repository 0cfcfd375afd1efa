//! What nobody who reads the files can be faster than: the same walk by as many threads, each file read into a buffer,
//! and nothing looked for.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use ignore::{WalkBuilder, WalkState};

use crate::{Result, say};

/// The argument that makes this program the floor.
pub(crate) const ARGUMENT: &str = "read";

pub(crate) fn read(folder: &Path) -> Result<()> {
    let (files, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut walk = WalkBuilder::new(folder);
    walk.hidden(false).ignore(false).git_global(false).require_git(false);
    walk.threads(available_parallelism()?.get());
    walk.filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != "node_modules");
    walk.build_parallel().run(|| {
        let (files, bytes) = (&files, &bytes);
        let mut buffer = Vec::new();
        Box::new(move |entry| {
            let Ok(entry) = entry else { return WalkState::Continue };
            if entry.file_type().is_some_and(|kind| kind.is_file()) {
                buffer.clear();
                let read = File::open(entry.path()).and_then(|mut file| file.read_to_end(&mut buffer));
                files.fetch_add(1, Ordering::Relaxed);
                bytes.fetch_add(read.unwrap_or_default() as u64, Ordering::Relaxed);
            }
            WalkState::Continue
        })
    });
    say(&format!("{} files, {} bytes", files.into_inner(), bytes.into_inner()));
    Ok(())
}
