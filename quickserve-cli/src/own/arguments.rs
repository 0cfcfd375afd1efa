//! The arguments of the router's own processes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A process of the router's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    /// The parent, and the Docker engine whose tasks it keeps whole.
    Run { docker_host: Option<String> },
    /// The worker behind it.
    Worker,
}

/// Which process is asked for, and in which state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) process: Own,
}

/// The process of a router's; nothing where the arguments are not just those of one.
pub(crate) fn read(arguments: &[OsString]) -> Option<Asked> {
    let words = arguments.iter().skip(1).map(|argument| argument.to_str());
    let words = words.collect::<Option<Vec<&str>>>()?;
    let (state_dir, words) = match words.as_slice() {
        ["--state-dir", dir, words @ ..] if Path::new(dir).is_absolute() => (Some(PathBuf::from(dir)), words),
        words => (None, words),
    };
    let process = match words {
        ["router", "worker"] => Own::Worker,
        ["router", "run"] => Own::Run { docker_host: None },
        ["router", "run", "--docker-host", host] if !host.starts_with('-') => {
            Own::Run { docker_host: Some((*host).to_owned()) }
        }
        _ => return None,
    };
    Some(Asked { state_dir, process })
}

/// How a router's parent starts a worker: without any variable, so the arguments say everything.
pub(crate) fn worker_arguments(state_dir: &Path) -> Vec<String> {
    let state_dir = state_dir.display().to_string();
    vec!["--state-dir".to_owned(), state_dir, "router".to_owned(), "worker".to_owned()]
}

impl Own {
    /// The runtime that it needs: only what answers requests uses more than one core.
    pub(crate) fn runtime(&self) -> tokio::runtime::Builder {
        let mut builder = match self {
            Self::Worker => tokio::runtime::Builder::new_multi_thread(),
            Self::Run { .. } => tokio::runtime::Builder::new_current_thread(),
        };
        builder.enable_all();
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Option<Asked> {
        read(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_parent_starts_what_is_understood_as_a_worker() {
        let state_dir = Path::new("/home/ada/state");
        let line = format!("quickserve {}", worker_arguments(state_dir).join(" "));
        assert_eq!(asked(&line), Some(Asked { state_dir: Some(state_dir.into()), process: Own::Worker }));
    }

    #[test]
    fn whatever_is_more_or_less_is_left_to_who_understands_all() {
        for line in [
            "quickserve",
            "quickserve router",
            "quickserve router run --help",
            "quickserve router run --docker-host --help",
            "quickserve --state-dir router worker",
            "quickserve --state-dir state router worker",
            "quickserve -v router run",
            "quickserve router status",
        ] {
            assert_eq!(asked(line), None, "{line}");
        }
    }
}
