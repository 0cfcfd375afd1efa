//! `router logs`: what the router's processes have written, and the access log.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use quickserve_core::{Error, ErrorKind};

use crate::compose;
use crate::failure::Failure;
use crate::output;
use crate::settings::Context;

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Shown unless another number is asked for.
const LINES: usize = 100;

pub(super) async fn run(
    context: &Context,
    follow: bool,
    lines: Option<usize>,
    access: bool,
) -> Result<(), Failure> {
    let control = compose::router(context);
    let (log, old, name, hint) = if access {
        let hint = "write access_log = true in [router] of a service, and deploy it";
        (control.access_log(), control.old_access_log(), "access log", hint)
    } else {
        let hint = "a router writes it once it was started by a deployment or by its service manager";
        (control.log(), control.old_log(), "log", hint)
    };
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Unavailable, format!("read the router's {name}"))
            .with_context("file", log.display().to_string())
            .with_source(error)
    };
    let mut seen = match read(&log) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("the router has no {name} ({})", context.shown(&log));
            return Err(Error::new(ErrorKind::NotFound, message).with_hint(hint).into());
        }
        Err(error) => return Err(failed(error).into()),
    };
    let mut offset = seen.len() as u64;
    if let Ok(older) = read(&old) {
        seen = older + &seen;
    }
    let all: Vec<&str> = seen.lines().collect();
    let skipped = all.len().saturating_sub(lines.unwrap_or(LINES));
    for line in all.into_iter().skip(skipped) {
        if !output::data_line(&printable(line)) {
            return Ok(());
        }
    }
    if !follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(LOOK).await;
        let mut file = File::open(&log).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length < offset {
            // It was moved away and begun anew.
            offset = 0;
        }
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut more = Vec::new();
        file.read_to_end(&mut more).map_err(failed)?;
        // A line that is still being written waits.
        let Some(end) = more.iter().rposition(|byte| *byte == b'\n') else { continue };
        more.truncate(end + 1);
        offset += more.len() as u64;
        for line in String::from_utf8_lossy(&more).lines() {
            if !output::data_line(&printable(line)) {
                return Ok(());
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

/// Names of services and tasks are in it, and whatever an error says.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control() || *c == '\t').collect()
}
