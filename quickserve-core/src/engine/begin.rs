//! What a deployment begins with: its name, and which versions can finish it.

use crate::journal::DeploymentId;

/// The oldest version of QuickServe that can finish what this one begins.
pub(super) const NEEDS: &str = "0.1.0";

/// The name of the service's nth deployment.
pub(super) fn deployment_id(day: &str, number: usize) -> DeploymentId {
    DeploymentId(format!("d-{day}-{number}"))
}
