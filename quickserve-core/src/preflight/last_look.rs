//! The last look: facts that change are looked at again once the lock is held.

use std::fmt;

use async_trait::async_trait;

use super::Report;
use crate::error::Result;

/// What its caller looks at once more when a deployment holds the lock and has changed nothing yet: a port that
/// was free, an image that was there. Whoever waited for the lock may have waited for long.
///
/// What the deployment will need may be kept here too, such as its images. Nothing else may change.
#[async_trait]
pub trait LastLook: fmt::Debug + Send + Sync + 'static {
    /// Looks. A report that [refuses](Report::refuses), or an error, ends the deployment as refused.
    async fn look(&self) -> Result<Report>;
}
