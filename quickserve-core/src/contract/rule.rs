//! What the suites are written with.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, after};
use crate::error::ErrorKind;
use crate::fence::{Epoch, Fence};

/// How long anything may take. Only a broken implementation ever takes that long.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Whether a rule holds.
pub(super) type Held = Result<(), Broken>;

/// What was seen of a broken rule.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl From<crate::Error> for Broken {
    fn from(error: crate::Error) -> Self {
        Self(format!("a call failed that must not: {} ({:?})", error.causes().join(": "), error.kind()))
    }
}

/// Holds rules, each to a fresh stage of the fixture, and panics with those that are broken.
macro_rules! hold {
    ($suite:literal, $fixture:expr, $($rule:ident,)+) => {{
        let mut broken = Vec::new();
        $(
            let stage = $fixture.fresh().await;
            if let Err(why) = $rule(&*stage).await {
                broken.push((stringify!($rule), why));
            }
            drop(stage);
        )+
        $crate::contract::rule::all_hold($suite, &broken);
    }};
}
pub(super) use hold;

/// Panics when there are broken rules.
pub(super) fn all_hold(suite: &str, broken: &[(&str, Broken)]) {
    let said: Vec<String> =
        broken.iter().map(|(rule, why)| format!("- {}: {}", rule.replace('_', " "), why.0)).collect();
    assert!(said.is_empty(), "the contract of {suite} is broken:\n{}", said.join("\n"));
}

/// Holds something to be so.
pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(Broken(otherwise())) }
}

/// Holds two things to be equal.
pub(super) fn same<T: PartialEq + Debug + ?Sized>(what: &str, found: &T, expected: &T) -> Held {
    ensure(found == expected, || format!("{what} is {found:?} and must be {expected:?}"))
}

/// Holds a call to be refused in this way.
pub(super) fn refused<T: Debug>(what: &str, answer: crate::Result<T>, kind: ErrorKind) -> Held {
    match answer {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => {
            Err(Broken(format!("{what} is refused as {:?}, not as {kind:?}: {error}", error.kind())))
        }
        Ok(answer) => {
            Err(Broken(format!("{what} is answered with {answer:?} and must be refused as {kind:?}")))
        }
    }
}

/// Looks again and again until there is something to see. Temporary errors are looked past.
pub(super) async fn eventually<T, F>(
    clock: Arc<dyn Clock>,
    what: &str,
    mut look: impl FnMut() -> F,
) -> Result<T, Broken>
where
    F: Future<Output = crate::Result<Option<T>>>,
{
    let deadline = after(clock.now(), PATIENCE);
    loop {
        let said = match look().await {
            Ok(Some(seen)) => return Ok(seen),
            Ok(None) => String::new(),
            Err(error) if error.is_temporary() => format!(" ({error})"),
            Err(error) => return Err(error.into()),
        };
        if clock.now() >= deadline {
            return Err(Broken(format!("never so within {} s: {what}{said}", PATIENCE.as_secs())));
        }
        clock.sleep(PAUSE).await;
    }
}

/// Lets some time pass, in which what must not happen could.
pub(super) async fn a_moment(clock: Arc<dyn Clock>) {
    clock.sleep(4 * PAUSE).await;
}

/// The fence of the owner with this epoch.
pub(super) fn fence(epoch: u64) -> Fence {
    Fence { epoch: Epoch(epoch), op: epoch, not_after: Timestamp::MAX }
}
