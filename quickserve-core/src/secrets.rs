//! Where secret values come from. No value passes through here except to the platform that runs a task.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::Result;
use crate::release::SecretVersion;

/// Finds secrets, and binds a release to the versions that it was made with.
#[async_trait]
pub trait SecretStore: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Looks for each source without reading its value; one answer per source, in order.
    async fn check(&self, sources: &[String]) -> Result<Vec<SecretPresence>>;

    /// The version that a source has now, kept so that [`resolve`](SecretStore::resolve) still finds it when
    /// the source has changed.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such secret.
    async fn bind(&self, source: &str) -> Result<SecretVersion>;

    /// What a task gets: the value where we start the task, or a reference that the platform resolves itself.
    async fn resolve(&self, source: &str, version: &SecretVersion) -> Result<BoundSecret>;
}

/// What a check found of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPresence {
    /// It exists and has a value.
    Present,
    /// It exists and its value is empty.
    Empty,
    /// It does not exist; names that are near, where there are any.
    Missing {
        /// Names that are near.
        near: Vec<String>,
    },
}

/// What a task gets for a secret variable.
#[derive(Debug)]
pub enum BoundSecret {
    /// The value itself; its `Debug` shows nothing.
    Value(SecretString),
    /// What the platform resolves, such as an ARN with a version id.
    Reference(String),
}
