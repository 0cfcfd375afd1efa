//! The router's own executable, where it is installed beside this one (docs/design/router-processes.md).

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

const NAME: &str = "quickserve-router";

/// For it to say its version.
const PATIENCE: Duration = Duration::from_secs(2);

/// What runs the router's processes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Companion {
    /// An executable of its own, of this version.
    Ready(PathBuf),
    /// There is none: this executable does it itself.
    Absent,
    /// This executable does it itself, for what is there is not to be used: why, in a sentence.
    Unusable(String),
}

/// Looks beside an executable. One of another version, which an installation left or brought by half, is not used:
/// whoever calls means this version.
pub(crate) async fn beside(executable: &Path) -> Companion {
    let path = executable.with_file_name(NAME);
    let mut command = Command::new(&path);
    command.arg("--version").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let said = timeout(PATIENCE, command.output()).await;
    // Whatever hangs is not ours.
    judged(path, said.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
}

fn judged(path: PathBuf, said: io::Result<Output>) -> Companion {
    let output = match said {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Companion::Absent,
        Err(error) => return Companion::Unusable(format!("{} does not start: {error}", path.display())),
    };
    let ours = concat!(env!("CARGO_PKG_VERSION"), "\n");
    let version = output.stdout.strip_prefix(NAME.as_bytes()).and_then(|rest| rest.strip_prefix(b" "));
    if output.status.success() && version == Some(ours.as_bytes()) {
        return Companion::Ready(path);
    }
    Companion::Unusable(format!("{} is not of version {}", path.display(), ours.trim_end()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn only_one_of_this_version_is_used() {
        let path = || PathBuf::from("/usr/bin/quickserve-router");
        let said = |text: &str, code: i32| {
            let status = ExitStatus::from_raw(code << 8);
            Ok(Output { status, stdout: text.as_bytes().to_vec(), stderr: Vec::new() })
        };
        let ours = format!("quickserve-router {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(judged(path(), said(&ours, 0)), Companion::Ready(path()));
        assert_eq!(judged(path(), Err(io::ErrorKind::NotFound.into())), Companion::Absent);
        let unusable = [
            said("quickserve-router 0.0.1\n", 0),
            said(&ours, 1),
            said("", 0),
            Err(io::ErrorKind::PermissionDenied.into()),
        ];
        for said in unusable {
            assert!(matches!(judged(path(), said), Companion::Unusable(_)));
        }
    }
}
