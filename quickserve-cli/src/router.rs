//! `quickserve-router`: the router's two processes, and nothing else.
//!
//! They stay for months, and an executable of their own keeps what all other commands are made of out of their memory.
//! `quickserve router run` starts it where it lies beside `quickserve`, and does the same itself where it does not. It is
//! not for people: what it is told, `quickserve` writes.

mod own;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use own::{Asked, Own};
use quickserve_core::outcome::Outcome;
use quickserve_core::{Error, ErrorKind, Result};

const VERSION: &str = concat!("quickserve-router ", env!("CARGO_PKG_VERSION"), "\n");

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let asked = match (arguments.as_slice(), own::read(&arguments)) {
        ([_, only], _) if only == "--version" => {
            let written = std::io::stdout().write_all(VERSION.as_bytes());
            return written.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        (_, Some(asked)) => asked,
        (_, None) => return refuse(&not_for_people()),
    };
    match run(asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

fn run(asked: Asked) -> Result<()> {
    let runtime = asked.process.runtime().build();
    let runtime = runtime.map_err(|error| failed("start the router's runtime", error))?;
    own::log();
    let ended = match asked {
        Asked { process: Own::Worker, .. } => runtime.block_on(own::work()),
        Asked { process: Own::Run { docker_host }, state_dir: Some(state_dir) } => {
            let executable = std::env::current_exe();
            let executable = executable.map_err(|error| failed("find this executable", error))?;
            runtime.block_on(own::supervise(&state_dir, docker_host, &executable))
        }
        Asked { process: Own::Run { .. }, state_dir: None } => Err(not_for_people()),
    };
    // Whoever wants it to end does not wait for what still blocks.
    runtime.shutdown_background();
    ended
}

fn failed(what: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, what).with_source(error)
}

fn not_for_people() -> Error {
    Error::new(ErrorKind::Invalid, "quickserve-router does not know these arguments")
        .with_hint("quickserve router run starts it; quickserve router --help lists the router's commands")
}

/// Says why it ends, as `quickserve` does, which uses more for it.
fn refuse(error: &Error) -> ExitCode {
    let (text, code) = told(error);
    // Without a log there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}

fn told(error: &Error) -> (String, u8) {
    let outcome = Outcome::before_anything(error.kind());
    let code = outcome.exit_code();
    let mut causes = error.causes().into_iter();
    let mut text = format!("error: {}\n", causes.next().unwrap_or_default());
    for cause in causes {
        let _ = writeln!(text, "caused by: {cause}");
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(text, "hint: {hint}");
    }
    let _ = writeln!(text, "exit     {code} {outcome}");
    (text, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_with_its_causes_and_its_code() {
        let busy =
            Error::new(ErrorKind::Busy, "another router runs here").with_hint("quickserve router status");
        let busy = busy.with_source(std::io::Error::other("locked"));
        let expected = "error: another router runs here\ncaused by: locked\nhint: quickserve router status\n\
                        exit     7 busy\n";
        assert_eq!(told(&busy), (expected.to_owned(), 7));
    }
}
