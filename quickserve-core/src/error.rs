//! The one error of the libraries: what kind it is, whether trying again can help, and where it happened.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, in terms that a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing below fits: a fault of ours, or an answer that a platform should never give.
    Unexpected,
    /// What the caller gave (a setting, a definition, a reference) cannot be meant as it stands.
    Invalid,
    /// The thing that was named does not exist.
    NotFound,
    /// What was expected to be so is not so any more: somebody else changed it first.
    Conflict,
    /// A newer owner has taken over; this one must stop without touching anything.
    Fenced,
    /// Another live owner holds the service.
    Busy,
    /// The other side cannot be reached at the moment.
    Unavailable,
    /// The other side does not let us.
    PermissionDenied,
    /// A deadline passed.
    TimedOut,
    /// The platform cannot do what was asked, and nothing that merely resembles it will be done.
    Unsupported,
}

/// Whether the same call may succeed when it is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Trying again cannot help.
    Permanent,
    /// Trying again may help. The effect may or may not have happened: calls are idempotent for this reason.
    Temporary,
    /// It was tried again until the deadline.
    Exhausted,
}

/// An error of any QuickServe library.
///
/// Its [`Display`](fmt::Display) is one fragment that fits after "failed to" or "error:", without its
/// [source](StdError::source); a renderer walks the chain itself (see [`causes`](Error::causes)).
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A result with the libraries' [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A permanent error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let inner = Inner {
            kind,
            retry: Retry::Permanent,
            message: message.into(),
            context: Vec::new(),
            hint: None,
            source: None,
        };
        Self { inner: Box::new(inner) }
    }

    /// Marks the error as one that trying again may cure.
    #[must_use]
    pub fn temporary(self) -> Self {
        self.with_retry(Retry::Temporary)
    }

    /// Sets whether trying again can help.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.inner.retry = retry;
        self
    }

    /// Adds a fact about where it happened, such as `("container", "web")`. Never a secret value.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.inner.context.push((key, value.into()));
        self
    }

    /// Adds what a person may do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.inner.retry
    }

    /// Whether trying again may help.
    pub fn is_temporary(&self) -> bool {
        self.inner.retry == Retry::Temporary
    }

    /// Facts about where it happened.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.inner.context
    }

    /// What a person may do about it.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// This error and what caused it, outermost first, each as one fragment.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = vec![self.to_string()];
        let mut next = self.source();
        while let Some(error) = next {
            let text = error.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = error.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        for (index, (key, value)) in self.inner.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if index == 0 { " (" } else { ", " })?;
        }
        if self.inner.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_is_one_fragment_without_its_source() {
        let error = Error::new(ErrorKind::Unavailable, "reach the engine")
            .with_context("socket", "/run/docker.sock")
            .with_source(std::io::Error::other("connection refused"));
        assert_eq!(error.to_string(), "reach the engine (socket: /run/docker.sock)");
        assert_eq!(error.causes(), ["reach the engine (socket: /run/docker.sock)", "connection refused"]);
    }
}
