//! Why the demo ends early.

use std::fmt;

/// What ends the demo.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    exit_code: u8,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: 1 }
    }

    /// A signal of that number came.
    pub(crate) fn interrupted(signal: u8) -> Self {
        Self { message: format!("interrupted by signal {signal}"), exit_code: 128 + signal }
    }

    /// What was said already is only named at the end.
    pub(crate) fn told(self) -> Self {
        Self { message: format!("the demo did not go as it should: {}", self.message), ..self }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says what was being done when an input or output failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure::new(format!("cannot {what}: {error}")))
    }
}
