//! The router's own processes, known by arguments that this program writes itself.
//!
//! They stay for months, and what understands all other arguments would stay with them: its tables, its heap and the
//! stack that it needed (docs/design/router-cost.md). So they are understood without it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::{Cli, Command, Global, Router};

/// The command of a router's process; nothing where the arguments are not just those of one.
pub(crate) fn read(arguments: &[OsString]) -> Option<Cli> {
    let words = arguments.iter().skip(1).map(|argument| argument.to_str());
    let words = words.collect::<Option<Vec<&str>>>()?;
    let (state_dir, words) = match words.as_slice() {
        ["--state-dir", dir, words @ ..] if Path::new(dir).is_absolute() => (Some(PathBuf::from(dir)), words),
        words => (None, words),
    };
    let command = match words {
        ["router", "worker"] => Router::Worker,
        ["router", "run"] => Router::Run { docker_host: None },
        ["router", "run", "--docker-host", host] if !host.starts_with('-') => {
            Router::Run { docker_host: Some((*host).to_owned()) }
        }
        _ => return None,
    };
    Some(Cli { global: Global { state_dir, ..Global::default() }, command: Command::Router(command) })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn they_are_understood_as_all_others_are() {
        for line in [
            "quickserve router run",
            "quickserve router worker",
            "quickserve --state-dir /home/ada/state router run",
            "quickserve --state-dir /home/ada/state router run --docker-host unix:///run/docker.sock",
            "quickserve --state-dir /home/ada/state router worker",
        ] {
            let arguments = arguments(line);
            let known = read(&arguments).unwrap_or_else(|| panic!("{line}"));
            let all = Cli::try_parse_from(&arguments).expect("a command");
            assert_eq!(format!("{known:?}"), format!("{all:?}"), "{line}");
        }
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
            assert!(read(&arguments(line)).is_none(), "{line}");
        }
    }
}
