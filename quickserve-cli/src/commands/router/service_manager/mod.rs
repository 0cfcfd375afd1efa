//! `router install` and `router uninstall`: the machine's service manager starts the router at boot and
//! whenever it has ended.

mod launchd;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quickserve_core::{Error, ErrorKind, Result};

use crate::compose;
use crate::failure::Failure;
use crate::output;
use crate::settings::Context;

/// What one kind of service manager wants.
struct Service {
    /// The file that describes the router.
    file: PathBuf,
    text: String,
    /// Where the router's log is, as the text says it: it tells whose router it describes.
    log: String,
    /// Why it cannot be used here, and what to do instead.
    unusable: Option<Error>,
    /// The command that shows the process which it runs.
    main: Vec<String>,
    /// Commands that make it known and start it.
    start: Vec<Vec<String>>,
    /// Commands that end it and forget it.
    stop: Vec<Vec<String>>,
    /// What a person has to know.
    notes: Vec<String>,
}

/// The router's description for the service manager of this machine.
fn service(context: &Context) -> Result<Service, Failure> {
    let command = command_line(context)?;
    let service = if cfg!(target_os = "macos") {
        launchd::service(context, &command)
    } else {
        systemd::service(context, &command)
    };
    Ok(service?)
}

/// What it runs, with everything said: it gets no variables.
fn command_line(context: &Context) -> Result<Vec<String>> {
    for path in [&context.executable, &context.state_dir] {
        if path.to_str().is_none_or(|path| path.contains(char::is_control)) {
            let message = format!("a service manager cannot be told of {}", path.display());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    }
    let executable = context.executable.display().to_string();
    Ok(std::iter::once(executable).chain(compose::router_arguments(context)).collect())
}

/// What to say of a router that no service manager is to start.
pub(crate) fn missing(context: &Context) -> Option<String> {
    let knows = |service: Service| {
        std::fs::read_to_string(&service.file).is_ok_and(|text| text.contains(&service.log))
    };
    let text = "nothing starts the router at boot: quickserve router install";
    (!service(context).is_ok_and(knows)).then(|| text.to_owned())
}

pub(super) async fn install(context: &Context, print: bool) -> Result<(), Failure> {
    let service = service(context)?;
    if print {
        output::data(&service.text);
        return Ok(());
    }
    if let Some(error) = service.unusable {
        return Err(error.into());
    }
    let file = &service.file;
    let same = std::fs::read_to_string(file).is_ok_and(|text| text == service.text);
    if same {
        output::tell(&format!("unit     {} is as it should be", file.display()));
    } else {
        write(file, &service.text)?;
        output::tell(&format!("unit     wrote {}", file.display()));
    }
    // A router that runs already goes on serving: its worker gets the service manager's process as its parent.
    let control = compose::router(context);
    let parent = control.status().await.ok().and_then(|status| status.supervision).map(|parent| parent.pid);
    if let Some(parent) = parent
        && !(same && main_process(&service.main) == Some(parent))
    {
        control.retire().await?;
    }
    for command in &service.start {
        run(command)?;
    }
    output::tell("router   is started at boot and whenever it has ended");
    for note in &service.notes {
        output::tell(&format!("note     {note}"));
    }
    Ok(())
}

pub(super) fn uninstall(context: &Context) -> Result<(), Failure> {
    let service = service(context)?;
    if !service.file.exists() {
        output::tell("unit     none was installed");
        return Ok(());
    }
    if service.unusable.is_none() {
        for command in &service.stop {
            run(command)?;
        }
    }
    std::fs::remove_file(&service.file).map_err(|error| file_error("remove", &service.file, error))?;
    output::tell(&format!("unit     removed {}", service.file.display()));
    output::tell("next     quickserve resume starts a router, where services need one");
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(|error| file_error("make", folder, error))?;
    std::fs::write(file, text).map_err(|error| file_error("write", file, error))
}

fn file_error(what: &str, file: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("{what} {}", file.display())).with_source(error)
}

/// The process that a service manager runs, where it says so: as a number alone, or as `pid = 1`.
fn main_process(command: &[String]) -> Option<u32> {
    let said = run(command).ok()?;
    said.lines().find_map(|line| line.trim().trim_start_matches("pid = ").parse().ok()).filter(|pid| *pid > 0)
}

/// Runs a command and answers what it said.
fn run(command: &[String]) -> Result<String> {
    let line = command.join(" ");
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| Error::new(ErrorKind::Unexpected, "run a service manager's command"))?;
    let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output =
        ran.map_err(|error| Error::new(ErrorKind::Unavailable, format!("run {line}")).with_source(error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().filter(|c| !c.is_control()).collect();
    let message = format!("`{line}` failed ({}): {said}", output.status);
    Err(Error::new(ErrorKind::Unavailable, message).with_hint("run it by hand to see more"))
}
