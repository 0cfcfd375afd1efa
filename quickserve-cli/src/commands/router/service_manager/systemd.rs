//! A systemd unit: the user's own, or the system's when root installs it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use quickserve_core::{Error, ErrorKind, Result};

use super::Service;
use crate::settings::Context;

const UNIT: &str = "quickserve-router.service";

pub(super) fn service(context: &Context, command: &[String]) -> Result<Service> {
    let root = rustix::process::geteuid().is_root();
    let folder = if root { PathBuf::from("/etc/systemd/system") } else { user_units(context)? };
    let systemctl = |arguments: &[&str]| {
        let user = (!root).then_some("--user");
        let words = std::iter::once("systemctl").chain(user).chain(arguments.iter().copied());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut notes = Vec::new();
    if !root {
        let user = &context.user;
        notes.push(format!(
            "without lingering it starts when {user} logs in; loginctl enable-linger {user} starts it at boot"
        ));
    }
    let log = context.state_dir.join("router/router.log").display().to_string().replace('%', "%%");
    Ok(Service {
        file: folder.join(UNIT),
        text: unit(command, &log, root),
        log,
        unusable: unusable(&context.user, booted(), root || context.variable("XDG_RUNTIME_DIR").is_some()),
        main: systemctl(&["show", "--property=MainPID", "--value", UNIT]),
        start: vec![systemctl(&["daemon-reload"]), systemctl(&["enable", "--now", UNIT])],
        stop: vec![systemctl(&["disable", "--now", UNIT])],
        notes,
    })
}

/// systemd.unit(5): where a user's own units are.
fn user_units(context: &Context) -> Result<PathBuf> {
    let config = context.variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = context.variable("HOME").map(|home| Path::new(home).join(".config"));
    let base = config.or(home).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "there is no folder for a user's units").with_hint("set HOME")
    })?;
    Ok(base.join("systemd/user"))
}

/// `sd_booted(3)`.
fn booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn unusable(user: &str, booted: bool, session: bool) -> Option<Error> {
    if !booted {
        let hint = "have your own service manager run what `quickserve router install --print` shows as \
                    ExecStart, and start it again whenever it ends";
        return Some(
            Error::new(ErrorKind::Unsupported, "systemd does not run on this machine").with_hint(hint),
        );
    }
    if !session {
        let hint = format!(
            "log in as {user} itself instead of by su or sudo, or install as root; \
             loginctl enable-linger {user} starts its systemd"
        );
        let message = "this session has no systemd of its user's own (XDG_RUNTIME_DIR is not set)";
        return Some(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    None
}

fn unit(command: &[String], log: &str, root: bool) -> String {
    let exec = command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let wanted_by = if root { "multi-user.target" } else { "default.target" };
    let mut unit = String::new();
    let _ = write!(
        unit,
        "# Written by `quickserve router install`, which writes it anew.\n\
         [Unit]\n\
         Description=QuickServe's local traffic router\n\
         Documentation=https://github.com/quickserve/quickserve\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         ExecStart={exec}\n\
         StandardError=append:{log}\n\
         Restart=always\n\
         RestartSec=1\n\
         # The parent tells its workers, which let requests in flight finish. Should it die, they serve on until\n\
         # the next one takes them over.\n\
         KillMode=process\n\
         TimeoutStopSec=30\n\
         LimitNOFILE=65536\n\
         NoNewPrivileges=yes\n\
         \n\
         [Install]\n\
         WantedBy={wanted_by}\n"
    );
    unit
}

/// systemd.service(5), command lines: quoted, and without specifiers or variables.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let word = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{word}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_systemd_it_says_what_to_do_instead() {
        let refused = |booted, session| unusable("ada", booted, session).map(|error| error.to_string());
        assert_eq!(refused(true, true), None);
        assert_eq!(refused(false, false).expect("an error"), "systemd does not run on this machine");
        let error = unusable("ada", true, false).expect("an error");
        assert!(error.hint().expect("a hint").contains("loginctl enable-linger ada"));
    }

    #[test]
    fn words_reach_the_router_as_they_are() {
        let table = [
            ("/usr/bin/quickserve", "/usr/bin/quickserve"),
            ("/home/a b/state", "\"/home/a b/state\""),
            ("100%", "\"100%%\""),
            ("$HOME\\\"", "\"$$HOME\\\\\\\"\""),
            ("", "\"\""),
        ];
        for (word, expected) in table {
            assert_eq!(quoted(word), expected);
        }
    }
}
