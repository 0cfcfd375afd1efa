//! Which files git has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::ask::ask;

/// How long git may take. It reads one file.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much of its answer is read, in bytes: the names of some million files.
const NAMES: u64 = 256 << 20;

/// Where a hook of git, or a person, has set other repositories than that of the folder.
const OTHERS: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];

/// The files below a folder that git has, relative to it; nothing where it is no checkout, or git does not answer.
pub(super) fn tracked(root: &Path) -> Option<BTreeSet<PathBuf>> {
    let mut command = Command::new("git");
    // What a repository configures there is run: a check of a stranger's checkout may not.
    command.args(["-c", "core.fsmonitor=false", "ls-files", "-z", "--cached"]).current_dir(root);
    for name in OTHERS {
        command.env_remove(name);
    }
    let names = ask(&mut command, DEADLINE, NAMES)?;
    Some(names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(path).collect())
}

#[cfg(unix)]
fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(name))
}

#[cfg(not(unix))]
fn path(name: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(name).into_owned())
}
