//! What the engine cannot bring back by itself of a promoted task, and how it is brought back.

use super::task::Task;
use crate::engine::{Inspected, RestartPolicy, RunState};
use quickserve_core::orchestrator::Standing;

/// What makes a container whole again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// It should run, and the engine could not start it.
    Start,
    /// It runs in a network that nobody else is in any more.
    Restart,
}

impl Task {
    /// The containers that need a remedy, in the order in which they can have it.
    ///
    /// Only of promoted tasks: of a staged one, the end is final. One that a person has stopped stays so; it is
    /// told by the missing error of the engine.
    pub(crate) fn remedies(&self) -> Vec<(&Inspected, Remedy)> {
        if self.standing() != Standing::Promoted || self.is_doomed() {
            return Vec::new();
        }
        let Some(holder) = self.containers.get(&self.blueprint.holder) else { return Vec::new() };
        if could_not_start(holder) {
            // What joins it can have its remedy only when it runs.
            return vec![(holder, Remedy::Start)];
        }
        if holder.state != RunState::Running {
            return Vec::new();
        }
        let joined = self
            .parts_with_containers()
            .filter(|(part, _)| part.name != self.blueprint.holder && !part.apart && !part.once);
        let remedy = |(_, container)| {
            if could_not_start(container) {
                Some((container, Remedy::Start))
            } else if container.state == RunState::Running && container.started < holder.started {
                Some((container, Remedy::Restart))
            } else {
                None
            }
        };
        joined.filter_map(remedy).collect()
    }
}

/// Whether the engine tried to start a container that it keeps running, and gave up.
fn could_not_start(container: &Inspected) -> bool {
    container.state == RunState::Ended
        && container.policy != RestartPolicy::No
        && container.start_error.is_some()
}
