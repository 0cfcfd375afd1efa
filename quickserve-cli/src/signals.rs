//! SIGINT and SIGTERM: the first asks the deployment to take itself back, the second leaves it as it is.

use quickserve_core::engine::Control;
use quickserve_core::journal::{AbortKind, Cause};
use quickserve_core::outcome::Outcome;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::render::Reporter;

/// Does something that asks for nothing more once it was interrupted; a second signal ends it at once.
pub(crate) async fn obeying<T>(
    reporter: &Reporter,
    control: &Control,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let (Ok(mut interrupts), Ok(mut terminations)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers a signal ends the process, and the next command converges.
        return work.await;
    };
    tokio::select! {
        biased;
        done = work => done,
        failure = twice(reporter, control, &mut interrupts, &mut terminations) => Err(failure),
    }
}

async fn twice(
    reporter: &Reporter,
    control: &Control,
    interrupts: &mut Signal,
    terminations: &mut Signal,
) -> Failure {
    let kind = next(interrupts, terminations).await;
    control.abort(kind);
    reporter.caution("taking back what is in flight; another signal leaves it as it is");
    let kind = next(interrupts, terminations).await;
    let outcome = if kind == AbortKind::Terminated { Outcome::Terminated } else { Outcome::Interrupted };
    let hint = "quickserve resume converges what is left";
    Failure::new(outcome, Cause { hint: Some(hint.to_owned()), ..Cause::new("left in the middle, as asked") })
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) -> AbortKind {
    tokio::select! {
        _ = interrupts.recv() => AbortKind::Interrupted,
        _ = terminations.recv() => AbortKind::Terminated,
    }
}
