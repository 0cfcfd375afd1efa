//! Understanding the arguments, and saying so where they are not understood.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use quickserve_core::journal::Cause;
use quickserve_core::outcome::Outcome;

use crate::cli::{Cli, Command, Format, Global, Router};
use crate::failure::Failure;
use crate::output;
use crate::own::{self, Asked, Own};
use crate::render::{self, Reporter};
use crate::settings::{Context, Environment};

/// The arguments and what does not come from quickserve.toml; else the exit code, when all is said.
pub(crate) fn parse(environment: Environment) -> Result<(Cli, Context), ExitCode> {
    let format = environment.format_guess();
    let own = own::read(environment.arguments()).map(Cli::from);
    let cli = match own.map_or_else(|| all(&environment), Ok) {
        Ok(cli) => cli,
        Err(error) => return Err(refuse(format, &error)),
    };
    match Context::new(environment, &cli.global) {
        Ok(mut context) => {
            if context.format == Format::Sarif && !matches!(cli.command, Command::Check(_)) {
                let failure = Failure::usage("only check writes SARIF", "use --format json");
                return Err(ExitCode::from(Reporter::start(&context).fail(failure)));
            }
            if let Command::Deploy(deploy) = &cli.command {
                context.nonce.clone_from(&deploy.background);
            }
            Ok((cli, context))
        }
        Err(error) => {
            let failure = Failure::from(error);
            match format {
                Format::Json => render::json::finished_alone(&failure.finished),
                Format::Human | Format::Github | Format::Sarif => {
                    let cause = failure.finished.cause.clone().unwrap_or_else(|| Cause::new("usage"));
                    output::tell(&format!("error: {}", cause.message));
                    cause.causes.iter().for_each(|cause| output::tell(&format!("caused by: {cause}")));
                    cause.hint.iter().for_each(|hint| output::tell(&format!("hint: {hint}")));
                }
            }
            Err(ExitCode::from(failure.finished.exit_code))
        }
    }
}

/// A process of the router's is what `router run` and `router worker` ask for.
impl From<Asked> for Cli {
    fn from(asked: Asked) -> Self {
        let command = match asked.process {
            Own::Run { docker_host } => Router::Run { docker_host },
            Own::Worker => Router::Worker,
        };
        let global = Global { state_dir: asked.state_dir, ..Global::default() };
        Self { global, command: Command::Router(command) }
    }
}

/// Understands every command.
fn all(environment: &Environment) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(environment.arguments())
}

fn refuse(format: Format, error: &clap::Error) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked || format != Format::Json {
        let _ = error.print();
        return if asked { ExitCode::SUCCESS } else { ExitCode::from(Outcome::UsageError.exit_code()) };
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let hint = lines.find_map(|line| line.strip_prefix("tip: ")).map(str::to_owned);
    let failure = Failure::new(Outcome::UsageError, Cause { message, causes: Vec::new(), hint });
    render::json::finished_alone(&failure.finished);
    ExitCode::from(failure.finished.exit_code)
}

/// Without a runtime nothing can be done.
pub(crate) fn no_runtime(context: &Context, error: &std::io::Error) -> ExitCode {
    let cause = Cause::new("the command could not be started").because([error.to_string()]);
    let failure = Failure::new(Outcome::InternalError, cause);
    ExitCode::from(Reporter::start(context).fail(failure))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn what_the_routers_processes_are_asked_is_understood_as_all_else_is() {
        for line in [
            "quickserve router run",
            "quickserve router worker",
            "quickserve --state-dir /home/ada/state router run",
            "quickserve --state-dir /home/ada/state router run --docker-host unix:///run/docker.sock",
            "quickserve --state-dir /home/ada/state router worker",
        ] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let known = own::read(&arguments).map_or_else(|| panic!("{line}"), Cli::from);
            let all = Cli::try_parse_from(&arguments).expect("a command");
            assert_eq!(format!("{known:?}"), format!("{all:?}"), "{line}");
        }
    }
}
