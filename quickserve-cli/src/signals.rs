//! SIGINT and SIGTERM: the first asks the deployment to take itself back, the second leaves it as it is.

use std::time::Duration;

use quickserve_core::engine::{InHand, serving};
use quickserve_core::journal::{AbortKind, Cause};
use quickserve_core::outcome::Outcome;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::Acting;
use crate::failure::Failure;
use crate::render::Reporter;

/// How long one looks what serves when everything is left.
const LOOK: Duration = Duration::from_secs(1);

/// Does something that asks for nothing more once it was interrupted; a second signal ends it at once.
pub(crate) async fn obeying<T>(
    reporter: &Reporter,
    acting: &Acting,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let (Ok(mut interrupts), Ok(mut terminations)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers a signal ends the process, and the next command converges.
        return work.await;
    };
    let kind = tokio::select! {
        biased;
        done = work => return done,
        kind = twice(reporter, acting, &mut interrupts, &mut terminations) => kind,
    };
    // Nothing is done any more from here on.
    Err(left(acting, kind).await)
}

/// Looks at something; a signal ends that at once, with every program that was asked.
pub(crate) async fn looking<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let (Ok(mut interrupts), Ok(mut terminations)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return work.await;
    };
    let kind = tokio::select! {
        biased;
        done = work => return done,
        kind = next(&mut interrupts, &mut terminations) => kind,
    };
    quickserve_check::end_programs();
    Err(Failure::new(outcome(kind), Cause::new("interrupted; nothing was changed")))
}

fn outcome(kind: AbortKind) -> Outcome {
    if kind == AbortKind::Terminated { Outcome::Terminated } else { Outcome::Interrupted }
}

async fn twice(
    reporter: &Reporter,
    acting: &Acting,
    interrupts: &mut Signal,
    terminations: &mut Signal,
) -> AbortKind {
    let kind = next(interrupts, terminations).await;
    reporter.caution(meaning(acting.control.in_hand()));
    acting.control.abort(kind);
    next(interrupts, terminations).await
}

/// How a command ends that was to leave everything as it is.
async fn left(acting: &Acting, kind: AbortKind) -> Failure {
    let hint = "quickserve abort takes back what is left, quickserve resume finishes it";
    let cause = Cause { hint: Some(hint.to_owned()), ..Cause::new("left in the middle, as asked") };
    // Whoever interrupts twice does not wait: what does not answer at once is not known.
    let seen = tokio::time::timeout(LOOK, acting.stage.platform.observe()).await;
    let serving = seen.ok().and_then(Result::ok).map(|seen| serving(&seen)).unwrap_or_default();
    Failure::new(outcome(kind), cause).with_serving(serving)
}

/// What the first signal does.
fn meaning(in_hand: InHand) -> &'static str {
    match in_hand {
        InHand::Nothing => "stopping; this command has nothing in flight",
        InHand::Another => "not following any longer; the deployment goes on without this command",
        InHand::Own => "taking back what this command has in flight; another signal leaves it as it is",
        InHand::Decided => {
            "what this command has in flight is decided and comes to its end; another signal leaves it as it is"
        }
    }
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) -> AbortKind {
    tokio::select! {
        _ = interrupts.recv() => AbortKind::Interrupted,
        _ = terminations.recv() => AbortKind::Terminated,
    }
}
