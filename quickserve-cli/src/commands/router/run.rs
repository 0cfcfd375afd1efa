//! `router run` and `router stop`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use quickserve_core::ErrorKind;

use crate::cli::Format;
use crate::companion::{self, Companion};
use crate::compose;
use crate::failure::Failure;
use crate::output;
use crate::own;
use crate::settings::Context;

/// Supervises a router until a signal comes or somebody stops it.
pub(super) async fn supervise(context: &Context, docker_host: Option<String>) -> Result<(), Failure> {
    own::log();
    let docker_host = docker_host.or_else(|| context.docker_host.clone());
    become_companion(context, docker_host.as_deref()).await;
    Ok(own::supervise(&context.state_dir, docker_host, &context.executable).await?)
}

/// Becomes the router's own executable, which takes less memory for the same. Comes back where there is none to be used.
async fn become_companion(context: &Context, docker_host: Option<&str>) {
    // It knows no other way to say why it ends.
    if context.format == Format::Json {
        return;
    }
    let program = match companion::beside(&context.executable).await {
        Companion::Ready(program) => program,
        Companion::Absent => return,
        Companion::Unusable(why) => {
            output::tell(&format!("caution  {why}, and not used: the router takes more memory without it"));
            return;
        }
    };
    let mut command = Command::new(&program);
    command.args(compose::router_run(context, docker_host));
    // What it would not understand is not for it.
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    if own::read(&words.map(OsString::from).collect::<Vec<_>>()).is_some() {
        let error = command.exec();
        let program = program.display();
        output::tell(&format!(
            "caution  {program} does not start: {error}; the router takes more memory without it"
        ));
    }
}

/// Serves behind the parent that has started this process.
pub(super) async fn work() -> Result<(), Failure> {
    own::log();
    Ok(own::work().await?)
}

pub(super) async fn stop(context: &Context, force: bool) -> Result<(), Failure> {
    match compose::router(context).shutdown(force).await {
        Ok(()) => {
            output::tell("router   stopped");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            output::tell("router   was not running");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Busy => {
            let hint = "take its services down first: quickserve down; or end it all the same, so that nobody answers \
                        on their ports: quickserve router stop --force";
            Err(error.with_hint(hint).into())
        }
        Err(error) => Err(error.into()),
    }
}
