//! What a task is made of: who holds the network, who waits for whom, who may end.
//!
//! It is kept as a label on each container, so that an owner who has never seen the release can tell what
//! the task is worth and stop it in the right order.

use std::collections::BTreeSet;

use quickserve_core::workload::{Condition, Container, EndpointPort, Workload};
use quickserve_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::engine::RestartPolicy;

/// What a task is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blueprint {
    /// The container whose network the others join, and on which all ports are published.
    pub(crate) holder: String,
    /// Where requests go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// The containers, in an order in which they can start.
    pub(crate) parts: Vec<Part>,
}

/// One container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) essential: bool,
    /// Another container waits for its end: it is not started again when it ends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) once: bool,
    /// It has ended before the holder starts, so it has a network of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) apart: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) needs: Vec<Need>,
}

/// What must have happened to another container first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Need {
    pub(crate) container: String,
    pub(crate) condition: Condition,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Blueprint {
    /// Reads a workload.
    ///
    /// The holder is the first container to start that others may rely on: not one whose end is awaited, the
    /// endpoint's own or an essential one where nothing has to start before it. A container whose end the
    /// holder awaits has a network of its own; all others share the holder's and so reach each other on
    /// localhost, as they do under ECS's `awsvpc` mode.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when containers depend on each other in a circle, on one that is not there, or
    /// all of them are awaited.
    pub(crate) fn of(workload: &Workload) -> Result<Self> {
        let order = start_order(workload)?;
        let awaited = |name: &str| {
            workload.containers.iter().flat_map(|container| &container.depends_on).any(|dependency| {
                dependency.container == name
                    && matches!(dependency.condition, Condition::Complete | Condition::Success)
            })
        };
        let first =
            |container: &&&Container| ancestors(workload, &container.name).into_iter().all(awaited);
        let lasting: Vec<&Container> =
            order.iter().copied().filter(|container| !awaited(&container.name)).collect();
        let endpoint = workload.endpoint.as_ref();
        let holder = lasting
            .iter()
            .filter(first)
            .find(|container| endpoint.is_some_and(|endpoint| endpoint.container == container.name))
            .or_else(|| lasting.iter().filter(first).find(|container| container.essential))
            .or_else(|| lasting.first());
        let Some(holder) = holder else {
            let message = "no container of the task stays: each is awaited by another";
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let before = ancestors(workload, &holder.name);
        let mut parts: Vec<Part> = order
            .iter()
            .map(|container| Part {
                name: container.name.clone(),
                essential: container.essential,
                once: awaited(&container.name),
                apart: before.contains(container.name.as_str()) && awaited(&container.name),
                needs: container.depends_on.iter().map(need).collect(),
            })
            .collect();
        // Joining needs a running holder.
        for part in &mut parts {
            let joins = !part.apart && part.name != holder.name;
            if joins && !part.needs.iter().any(|need| need.container == holder.name) {
                part.needs.push(Need { container: holder.name.clone(), condition: Condition::Start });
            }
        }
        let position = parts.iter().position(|part| part.name == holder.name).unwrap_or_default();
        let mut blueprint =
            Self { holder: holder.name.clone(), port: endpoint.map(|endpoint: &EndpointPort| endpoint.port), parts };
        // The holder goes before everything that joins it: only what it waits for may come earlier.
        let part = blueprint.parts.remove(position);
        let place = blueprint
            .parts
            .iter()
            .rposition(|other| before.contains(other.name.as_str()))
            .map_or(0, |last| last + 1);
        blueprint.parts.insert(place, part);
        Ok(blueprint)
    }

    /// The container of that name.
    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The containers that must have ended before this one is asked to: those that wait for it, and for the
    /// holder everything that shares its network.
    pub(crate) fn dependents<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Part> {
        self.parts.iter().filter(move |part| {
            part.name != name
                && (part.needs.iter().any(|need| need.container == name)
                    || (name == self.holder && !part.apart))
        })
    }
}

impl Part {
    /// When the engine starts it again by itself once its release is promoted.
    ///
    /// An essential container is started again whatever it ended with, another only after a failure, and
    /// one whose end is awaited never.
    pub(crate) fn promoted_policy(&self) -> RestartPolicy {
        match (self.once, self.essential) {
            (true, _) => RestartPolicy::No,
            (false, true) => RestartPolicy::UnlessStopped,
            (false, false) => RestartPolicy::OnFailure,
        }
    }
}

fn need(dependency: &quickserve_core::workload::Dependency) -> Need {
    Need { container: dependency.container.clone(), condition: dependency.condition }
}

/// The containers in an order in which each comes after those that it depends on, otherwise as defined.
fn start_order(workload: &Workload) -> Result<Vec<&Container>> {
    for container in &workload.containers {
        for dependency in &container.depends_on {
            if workload.container(&dependency.container).is_none() {
                let message = format!(
                    "container {} depends on {}, which the task does not have",
                    container.name, dependency.container
                );
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
    }
    let mut placed = BTreeSet::new();
    let mut order = Vec::new();
    while order.len() < workload.containers.len() {
        let next = workload.containers.iter().find(|container| {
            !placed.contains(container.name.as_str())
                && container.depends_on.iter().all(|need| placed.contains(need.container.as_str()))
        });
        let Some(next) = next else {
            let circle: Vec<&str> = workload
                .containers
                .iter()
                .map(|container| container.name.as_str())
                .filter(|name| !placed.contains(name))
                .collect();
            let message = format!("containers depend on each other in a circle: {}", circle.join(", "));
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        placed.insert(next.name.as_str());
        order.push(next);
    }
    Ok(order)
}

/// All that a container waits for, directly or not.
fn ancestors<'a>(workload: &'a Workload, name: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = vec![name];
    while let Some(name) = open.pop() {
        let Some(container) = workload.container(name) else { continue };
        for dependency in &container.depends_on {
            if found.insert(dependency.container.as_str()) {
                open.push(&dependency.container);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use quickserve_core::workload::Dependency;

    use super::*;

    fn workload(containers: &[(&str, &[(&str, Condition)])]) -> Workload {
        let mut workload = Workload::single("unused");
        workload.containers = containers
            .iter()
            .map(|(name, needs)| {
                let mut container = Container::new(*name);
                container.depends_on = needs
                    .iter()
                    .map(|(name, condition)| Dependency { container: (*name).into(), condition: *condition })
                    .collect();
                container
            })
            .collect();
        workload
    }

    fn order(blueprint: &Blueprint) -> Vec<&str> {
        blueprint.parts.iter().map(|part| part.name.as_str()).collect()
    }

    #[test]
    fn a_migration_runs_apart_and_the_application_holds_the_network() {
        let workload = workload(&[
            ("app", &[("migrate", Condition::Success)]),
            ("sidecar", &[("app", Condition::Start)]),
            ("migrate", &[]),
        ]);
        let blueprint = Blueprint::of(&workload).expect("a blueprint");
        assert_eq!(blueprint.holder, "app");
        assert_eq!(order(&blueprint), ["migrate", "app", "sidecar"]);
        assert!(blueprint.parts[0].apart && blueprint.parts[0].once);
        assert_eq!(blueprint.parts[0].promoted_policy(), RestartPolicy::No);
        assert!(!blueprint.parts[2].apart);
    }

    #[test]
    fn a_proxy_that_others_wait_for_holds_the_network() {
        let workload = workload(&[
            ("app", &[("proxy", Condition::Healthy)]),
            ("migrate", &[("proxy", Condition::Start)]),
            ("later", &[("migrate", Condition::Complete)]),
            ("proxy", &[]),
        ]);
        let blueprint = Blueprint::of(&workload).expect("a blueprint");
        assert_eq!(blueprint.holder, "proxy");
        assert_eq!(order(&blueprint)[0], "proxy");
        assert!(blueprint.parts.iter().all(|part| !part.apart));
    }

    #[test]
    fn a_proxy_behind_a_migration_is_not_waited_for_in_a_circle() {
        let mut workload = workload(&[
            ("app", &[("migrate", Condition::Success)]),
            ("migrate", &[("proxy", Condition::Start)]),
            ("proxy", &[]),
        ]);
        workload.endpoint = Some(EndpointPort { container: "app".into(), port: 80 });
        let blueprint = Blueprint::of(&workload).expect("a blueprint");
        assert_eq!(blueprint.holder, "proxy");
        assert_eq!(order(&blueprint), ["proxy", "migrate", "app"]);
    }

    #[test]
    fn the_endpoint_holds_the_network_where_nothing_speaks_against_it() {
        let mut workload = workload(&[("log", &[]), ("app", &[])]);
        workload.endpoint = Some(EndpointPort { container: "app".into(), port: 80 });
        let blueprint = Blueprint::of(&workload).expect("a blueprint");
        assert_eq!(order(&blueprint), ["app", "log"]);
        let first_to_end: Vec<&str> = blueprint.dependents("app").map(|part| part.name.as_str()).collect();
        assert_eq!(first_to_end, ["log"]);
    }

    #[test]
    fn circles_and_strangers_are_refused() {
        let circle = workload(&[("a", &[("b", Condition::Start)]), ("b", &[("a", Condition::Start)])]);
        assert!(Blueprint::of(&circle).expect_err("a circle").to_string().contains("a, b"));
        let stranger = workload(&[("a", &[("x", Condition::Start)])]);
        assert_eq!(Blueprint::of(&stranger).expect_err("a stranger").kind(), ErrorKind::Invalid);
    }
}
