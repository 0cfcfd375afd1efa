//! `router upgrade`: this executable takes the router over.

use quickserve_core::config::duration;
use quickserve_core::{Error, ErrorKind};
use quickserve_docker::router::{RouterControl, Status, ensure_running};

use crate::companion::{self, Companion};
use crate::compose;
use crate::failure::Failure;
use crate::output;
use crate::settings::Context;

pub(super) async fn run(context: &Context, drain: &str) -> Result<(), Failure> {
    let drain = duration::parse(drain)
        .map_err(|why| Failure::usage(format!("--drain {drain:?} is not understood"), why))?;
    let control = compose::router(context);
    let before = control.status().await.map_err(|error| match error.kind() {
        ErrorKind::Unavailable => nothing_to_upgrade(&control, error),
        _ => error,
    })?;
    if before.supervision.is_none() {
        ensure_supervised(context, &before).await?;
    }
    let program = match companion::beside(&context.executable).await {
        Companion::Ready(program) => program,
        Companion::Absent => context.executable.clone(),
        Companion::Unusable(why) => {
            output::tell(&format!("caution  {why}, and not used: the router takes more memory without it"));
            context.executable.clone()
        }
    };
    control.upgrade(&program, &compose::worker_arguments(context), drain).await?;
    let now = control.status().await?;
    let from =
        if before.version == now.version { "again".to_owned() } else { format!("was {}", before.version) };
    output::tell(&format!("router   upgraded to {} ({from}), pid {}", now.version, now.pid));
    // One without connections is about to end.
    for follower in now.followers.iter().filter(|follower| follower.connections > 0) {
        let drain = crate::render::words::duration(drain);
        let text = format!("pid {} finishes its last connections, for {drain} at most", follower.pid);
        output::tell(&format!("drain    {text}"));
    }
    Ok(())
}

/// Why a router that does not run is not upgraded, and what brings it back.
fn nothing_to_upgrade(control: &RouterControl, error: Error) -> Error {
    let left = left(control);
    let hint = match left.as_slice() {
        [] => "a deployment starts this version when it needs a router".to_owned(),
        [only] => format!("quickserve resume starts this version, and brings {only} back"),
        several => {
            let names = several.join(", ");
            format!("quickserve resume starts this version; run it for each of {names}")
        }
    };
    error.with_hint(hint)
}

/// The services that nobody answers for, since their router does not run.
pub(super) fn left(control: &RouterControl) -> Vec<String> {
    // One whose state cannot be read says so when it is started.
    let services = control.remembered().unwrap_or_default();
    services.iter().map(ToString::to_string).collect()
}

/// What to say of a router that is older than this executable.
pub(crate) fn outdated(router: &str) -> Option<String> {
    let ours = env!("CARGO_PKG_VERSION");
    let version = |text: &str| semver::Version::parse(text).ok();
    let older = version(router)? < version(ours)?;
    let text = format!("the router is of version {router}, this is {ours}: quickserve router upgrade");
    older.then_some(text)
}

async fn ensure_supervised(context: &Context, before: &Status) -> Result<(), Failure> {
    if !before.worker {
        let message = "this router is of a version that cannot be upgraded while it serves";
        let hint = "quickserve router stop --force, then quickserve resume: nobody answers in between";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint).into());
    }
    // It becomes the parent of the worker that has lost its own.
    ensure_running(&compose::launch(context)).await?;
    output::tell("router   has a parent again");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_router_is_worth_a_word() {
        assert!(outdated("0.0.1").expect("a sentence").contains("quickserve router upgrade"));
        assert_eq!(outdated(env!("CARGO_PKG_VERSION")), None);
        assert_eq!(outdated("999.0.0"), None);
        assert_eq!(outdated("what?"), None);
    }
}
