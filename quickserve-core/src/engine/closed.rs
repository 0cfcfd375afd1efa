//! Whether clients reach what serves: its port is the one thing that no plan can bring about.

use std::time::Duration;

use super::wait::Pace;
use crate::clock::{Clock, after};
use crate::journal::Cause;
use crate::orchestrator::Drive;
use crate::release::Release;

/// For a router to take a port that has just become free.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why no client reaches a release, also after a while; nothing where they do, or where it takes no requests. A router
/// that cannot be asked has not shown that they do.
pub(super) async fn closed(drive: &Drive, clock: &dyn Clock, release: Option<&Release>) -> Option<String> {
    release?.workload.endpoint.as_ref()?;
    // A platform that rolls out by itself opens the port by itself, too.
    let Drive::Stepwise { router, .. } = drive else { return None };
    let until = after(clock.now(), PATIENCE);
    let mut pace = Pace::STEADY;
    loop {
        let why = match router.closed().await {
            Ok(None) => return None,
            Ok(Some(why)) => why,
            Err(error) => error.causes().join(": "),
        };
        if clock.now() >= until {
            return Some(why);
        }
        clock.sleep(pace.next()).await;
    }
}

/// What a person is told of it, beside what happened before.
pub(super) fn cause(before: Option<Cause>, why: String) -> Cause {
    let message = "no client reaches what serves";
    let hint = "once that is mended, the router opens it by itself; quickserve status shows it";
    match before {
        Some(before) => {
            let and = vec![format!("{message}: {why}")];
            Cause { causes: [before.causes, and].concat(), hint: Some(hint.to_owned()), ..before }
        }
        None => Cause { hint: Some(hint.to_owned()), ..Cause::new(message).because([why]) },
    }
}
