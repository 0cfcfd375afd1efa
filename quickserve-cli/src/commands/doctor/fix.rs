//! Running what is safe.

use std::process::Stdio;

use quickserve_core::{Error, ErrorKind};

use super::remedy::Remedy;
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Style, Tone};
use crate::settings::Context;

/// Shows each command, runs it, and answers the first exit code that is not 0.
pub(super) async fn run(context: &Context, remedies: &[&Remedy]) -> Result<u8, Failure> {
    let style = Style::told(&context.terminal);
    for remedy in remedies {
        let Remedy::Safe { arguments, .. } = remedy else { continue };
        let line = Line::toned("run", remedy.command(&context.again), Tone::Good);
        output::tell(&style.show(&line));
        let status = tokio::process::Command::new(&context.executable)
            .args(context.same_service())
            .args(*arguments)
            .stdin(Stdio::null())
            .status()
            .await
            .map_err(|error| {
                Error::new(ErrorKind::Unexpected, "run this command again").with_source(error)
            })?;
        match status.code().and_then(|code| u8::try_from(code).ok()) {
            Some(0) => {}
            Some(code) => return Ok(code),
            None => return Err(Error::new(ErrorKind::Unexpected, "the command was killed").into()),
        }
    }
    Ok(0)
}
