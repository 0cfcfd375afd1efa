//! QS310: a release that was rolled back is not deployed again unasked.

use crate::finding::{Code, Finding};
use crate::journal::Cause;
use crate::release::ReleaseId;

/// The finding of a release that was decided to be bad.
pub fn condemned(release: &ReleaseId, cause: &Cause) -> Finding {
    let message = format!("{release:#} was rolled back before: {}", cause.message);
    Finding::error(Code::CONDEMNED_RELEASE, message)
        .with_hint("change the image or its configuration; the same release needs --retry")
}
