//! What ends a command before, or instead of, a deployment.

use quickserve_core::Error;
use quickserve_core::event::{Finished, Serving};
use quickserve_core::finding::{Finding, Problems};
use quickserve_core::journal::Cause;
use quickserve_core::outcome::Outcome;

/// A command that ended without a deployment of its own.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How, as the last event tells it.
    pub(crate) finished: Box<Finished>,
}

impl Failure {
    pub(crate) fn new(outcome: Outcome, cause: Cause) -> Self {
        let finished = Finished { cause: Some(cause), ..Finished::new(outcome) };
        Self { finished: Box::new(finished) }
    }

    /// Usage or configuration.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Outcome::UsageError, Cause { hint: Some(hint.into()), ..Cause::new(message) })
    }

    /// Something refused before anything changed.
    pub(crate) fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Outcome::Refused, Cause { hint: Some(hint.into()), ..Cause::new(message) })
    }

    /// Checks refused before anything changed.
    pub(crate) fn findings(outcome: Outcome, findings: Vec<Finding>) -> Self {
        Self { finished: Box::new(Finished { findings, ..Finished::new(outcome) }) }
    }

    /// Says what serves meanwhile.
    pub(crate) fn with_serving(mut self, serving: Vec<Serving>) -> Self {
        self.finished.serving = serving;
        self
    }

    /// An error of the library whose kind means something else here.
    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.finished.outcome = outcome;
        self.finished.exit_code = outcome.exit_code();
        self
    }
}

/// Errors come back only when nothing was begun; what happens afterwards is told by [`Finished`].
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(Outcome::before_anything(error.kind()), Cause::from(&error))
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::findings(Outcome::UsageError, problems.into_findings())
    }
}
