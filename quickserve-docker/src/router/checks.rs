//! What comes through the control socket and could not be done as it says.

use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Role, Split};
use quickserve_core::{Error, ErrorKind, Result};

/// A service's name as it came through the socket.
pub(super) fn checked(key: &ServiceKey) -> Result<ServiceKey> {
    ServiceKey::new(key.service(), key.environment())
}

/// Refuses a split that could not be served as it says.
pub(super) fn check(split: &Split) -> Result<()> {
    let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
    for (index, route) in split.routes.iter().enumerate() {
        let release = &route.release;
        if split.routes[..index].iter().any(|other| other.release == *release) {
            return invalid(format!("{release} has two routes in one split"));
        }
        match route.role {
            Role::Serving(0) => return invalid(format!("{release} serves with a weight of 0")),
            Role::Serving(_) if route.upstreams.is_empty() => {
                return invalid(format!("{release} serves without a task"));
            }
            Role::Serving(_) | Role::Standby | Role::Preview => {}
        }
    }
    let mut tasks: Vec<_> = split.routes.iter().flat_map(|route| &route.upstreams).collect();
    tasks.sort_by(|a, b| a.task.cmp(&b.task));
    match tasks.windows(2).find(|pair| pair[0].task == pair[1].task) {
        Some(pair) => invalid(format!("task {} is named twice in one split", pair[0].task)),
        None => Ok(()),
    }
}
