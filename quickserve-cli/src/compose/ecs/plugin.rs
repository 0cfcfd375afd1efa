//! The Session Manager plugin: AWS's program that carries a terminal into a container.

use std::path::PathBuf;
use std::process::Stdio;

use quickserve_aws::ecs::ExecSession;
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::ExposeSecret as _;

const NAME: &str = "session-manager-plugin";
/// The first version that takes a session's token from a variable; older ones want it as an argument, which everybody on
/// this machine can read.
const OLDEST: [u32; 3] = [1, 2, 497];
/// The variable that it takes it from. AWS CLI, `ecs execute-command`: its name is the first argument then.
const VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";

/// The plugin as it is installed.
#[derive(Debug)]
pub(crate) struct Plugin {
    program: PathBuf,
}

impl Plugin {
    /// Looks for it in the folders of `PATH`, and asks for its version.
    pub(super) async fn find(path: Option<&str>) -> Result<Self> {
        let folders = std::env::split_paths(path.unwrap_or_default());
        let program = folders.map(|folder| folder.join(NAME)).find(|program| program.is_file());
        let Some(program) = program else {
            return Err(unfit(format!("exec on ECS needs {NAME}, which is not installed")));
        };
        let asked =
            tokio::process::Command::new(&program).arg("--version").stdin(Stdio::null()).output().await;
        let asked = asked.map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("ask {NAME} for its version")).with_source(error)
        })?;
        let version = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        if parsed(&version) < OLDEST.to_vec() {
            let [major, minor, patch] = OLDEST;
            let message =
                format!("{NAME} {version:?} is too old: exec needs {major}.{minor}.{patch} or newer");
            return Err(unfit(message));
        }
        Ok(Self { program })
    }

    /// It, with a session that ECS has opened.
    pub(crate) fn command(&self, session: &ExecSession) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.env(VARIABLE, session.session.expose_secret());
        // Without a profile: it only goes on with what the token allows.
        command.args([VARIABLE, &session.region, "StartSession", "", &session.request, &session.endpoint]);
        command
    }
}

fn parsed(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

fn unfit(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message).with_hint(
        "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(parsed("1.2.1000.0") > OLDEST.to_vec() && parsed("1.2.497.0") > OLDEST.to_vec());
        assert!(parsed("1.2.339.0") < OLDEST.to_vec() && parsed("unknown") < OLDEST.to_vec());
    }
}
