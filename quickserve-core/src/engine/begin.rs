//! What a deployment begins with: its name, and the word to those who come second.

use jiff::Timestamp;

use crate::clock::between;
use crate::error::{Error, ErrorKind};
use crate::journal::{DeploymentId, Journal};

/// The oldest version of QuickServe that can finish what this one begins.
pub(super) const NEEDS: &str = "0.1.0";

/// The name of the service's nth deployment.
pub(super) fn deployment_id(day: &str, number: usize) -> DeploymentId {
    DeploymentId(format!("d-{day}-{number}"))
}

/// The answer to whoever comes while another owner holds the service: who, since when, at which step.
pub(super) fn busy(journal: &Journal, now: Timestamp) -> Error {
    let Some(open) = &journal.state().open else {
        return Error::new(ErrorKind::Busy, "another owner holds the service");
    };
    let since = between(open.started, now).as_secs();
    let step = open.step.as_ref().map_or_else(|| "planning".to_owned(), |(_, step, _)| step.to_string());
    let message = format!(
        "{} holds the service with {} since {since} s, now at: {step}",
        open.owner.who, open.opened.deployment
    );
    Error::new(ErrorKind::Busy, message).with_hint("wait for it, or take it back: quickserve abort")
}
