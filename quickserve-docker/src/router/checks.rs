//! What comes through the control socket and could not be done as it says.

use std::net::SocketAddr;

use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Role, Split};
use quickserve_core::{Error, ErrorKind, Result};

use super::listen::ListenSpec;
use super::state::State;

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

/// Refuses a service that could not be told from another one on the same address, be that one at work or not.
pub(super) fn check_shared(
    state: &State,
    key: &ServiceKey,
    address: SocketAddr,
    spec: &ListenSpec,
) -> Result<()> {
    let conflict = |message: String, hint| Err(Error::new(ErrorKind::Conflict, message).with_hint(hint));
    for other in state.services().filter(|other| other.key != *key) {
        let Some(theirs) = other.listen.as_ref().filter(|listen| listen.bound.public == address) else {
            continue;
        };
        let (theirs, other, rule) = (&theirs.spec, &other.key, &spec.rule);
        if theirs.rule.clashes(rule) {
            let what = if rule.is_any() { String::new() } else { format!(" for {}", theirs.rule) };
            return conflict(
                format!("{address} is already in use by the service {other}{what}"),
                "choose another port, give each service there hosts or a path of its own, or take that one down",
            );
        }
        if theirs.options.tls.is_some() != spec.options.tls.is_some() {
            let theirs = if theirs.options.tls.is_some() { "with" } else { "without" };
            return conflict(
                format!("{address} is used by the service {other} {theirs} TLS"),
                "services behind one port have TLS all, or none of them",
            );
        }
    }
    Ok(())
}
