//! Which files git has.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::ask::ask;

/// How long git may take. It reads one file.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much of its answer is read, in bytes: the names of some million files.
const NAMES: u64 = 256 << 20;

/// Where a hook of git, or a person, has set other repositories than that of the folder.
const OTHERS: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];

/// The files that git has, relative to a folder. By their names as a whole: to compare paths part by part takes long
/// where there are many.
#[derive(Debug)]
pub(crate) struct Tracked(HashSet<OsString>);

impl Tracked {
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.0.contains(path.as_os_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.0.iter().map(OsString::as_os_str)
    }
}

/// The files below a folder that git has, nothing where it is no checkout, or git does not answer.
pub(super) fn tracked(root: &Path) -> Option<Tracked> {
    let mut command = Command::new("git");
    // What a repository configures there is run: a check of a stranger's checkout may not.
    command.args(["-c", "core.fsmonitor=false", "ls-files", "-z", "--cached"]).current_dir(root);
    for name in OTHERS {
        command.env_remove(name);
    }
    let names = ask(&mut command, DEADLINE, NAMES)?;
    Some(Tracked(names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(path).collect()))
}

#[cfg(unix)]
fn path(name: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(name).to_owned()
}

#[cfg(not(unix))]
fn path(name: &[u8]) -> OsString {
    // Git writes slashes everywhere; the walk writes what the system does.
    String::from_utf8_lossy(name).replace('/', std::path::MAIN_SEPARATOR_STR).into()
}
