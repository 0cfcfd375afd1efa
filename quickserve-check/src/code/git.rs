//! Which files git has.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use crate::ask::ask;
use crate::git::command;

/// How long git may take. It reads one file.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much of its answer is read, in bytes: the names of some million files.
const NAMES: u64 = 256 << 20;

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
    let mut command = command(root, ["ls-files", "-z", "--cached"]);
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
