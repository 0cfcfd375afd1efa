//! A launchd agent of the user's (launchd.plist(5)).

use std::fmt::Write as _;
use std::path::Path;

use quickserve_core::{Error, ErrorKind, Result};

use super::Service;
use crate::settings::Context;

const LABEL: &str = "dev.quickserve.router";

pub(super) fn service(context: &Context, command: &[String]) -> Result<Service> {
    let home = context.variable("HOME").ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "there is no folder for a user's agents").with_hint("set HOME")
    })?;
    let file = Path::new(home).join("Library/LaunchAgents").join(format!("{LABEL}.plist"));
    let domain = format!("gui/{}", rustix::process::getuid().as_raw());
    let launchctl = |arguments: &[&str]| {
        std::iter::once("launchctl").chain(arguments.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
    };
    let path = file.display().to_string();
    let log = escaped(&context.state_dir.join("router/router.log").display().to_string());
    Ok(Service {
        text: agent(command, &log),
        log,
        unusable: None,
        main: launchctl(&["print", &format!("{domain}/{LABEL}")]),
        start: vec![launchctl(&["bootstrap", &domain, &path])],
        stop: vec![launchctl(&["bootout", &format!("{domain}/{LABEL}")])],
        notes: vec![format!("it starts when {} logs in", context.user)],
        file,
    })
}

fn agent(command: &[String], log: &str) -> String {
    let mut words = String::new();
    for word in command {
        let _ = writeln!(words, "    <string>{}</string>", escaped(word));
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
{words}  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>StandardErrorPath</key>
  <string>{log}</string>
  <key>ExitTimeOut</key>
  <integer>30</integer>
</dict>
</plist>
"#
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_written_out() {
        let command = ["/opt/a & b/quickserve", "--state-dir", "/Users/ada/state", "router", "run"];
        insta::assert_snapshot!(agent(&command.map(str::to_owned), "/Users/ada/state/router/router.log"));
    }
}
