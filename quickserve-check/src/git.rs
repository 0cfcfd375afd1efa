//! The program `git`, as it is asked here: it changes nothing, and runs nothing that the checkout names.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Where a hook of git, or a person, has set another repository than that of the folder, or what git is to do.
/// git-rev-parse(1), `--local-env-vars`.
const OTHERS: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
];

/// Git, asked about the checkout around a folder: whatever a stranger's checkout names for git to run, is not.
pub(crate) fn command<A: AsRef<OsStr>>(root: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
    let folder = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let mut command = Command::new("git");
    command
        .arg("--no-optional-locks")
        // The configuration of the checkout may name programs; those that a question could start are switched off.
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.untrackedCache=false",
        ])
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        // Of a partial clone nothing is fetched, by whatever program the checkout names for that.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("LC_ALL", "C");
    for name in OTHERS {
        command.env_remove(name);
    }
    command
}
