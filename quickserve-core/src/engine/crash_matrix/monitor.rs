//! The invariants, asserted at every change of the world (see `safe delivery` in the design notes).

use std::sync::{Mutex, PoisonError};

use crate::fence::Fence;
use crate::memory::{Change, Monitor, Truth};
use crate::orchestrator::{Health, TaskPhase};
use crate::release::ReleaseId;
use crate::traffic::{Role, Split};

/// Watches a world and keeps what was violated.
#[derive(Debug, Default)]
pub(super) struct Invariants {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rules: Rules,
    violations: Vec<String>,
}

/// Which invariants apply.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// At every moment a request is answered.
    pub(super) always_answers: bool,
    /// So many tasks must be healthy before a release gets any request.
    pub(super) full_set: Option<u32>,
    /// Two releases never run at the same time.
    pub(super) never_two: bool,
}

impl Invariants {
    pub(super) fn apply(&self, rules: Rules) {
        self.lock().rules = rules;
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor for Invariants {
    fn changed(&self, change: &Change, fence: &Fence, truth: &Truth) {
        let mut inner = self.lock();
        let rules = inner.rules;
        let mut broken = Vec::new();
        match change {
            Change::Doomed(tasks) => {
                let served = |task: &&_| references(&truth.split, task);
                broken.extend(
                    tasks.iter().filter(served).map(|task| format!("{task} was stopped while it serves")),
                );
            }
            Change::Shifted { from, to } => broken.extend(shifted(from, to, truth, rules)),
            Change::Placed(_) if rules.never_two => {
                let running = truth.sets.values().filter(|set| set.live().next().is_some()).count();
                if running > 1 {
                    broken.push(format!("{running} releases run at the same time"));
                }
            }
            Change::Placed(_) | Change::Closed => {}
        }
        if rules.always_answers && !truth.answers() {
            broken.push("a request would not be answered".to_owned());
        }
        let told = broken.into_iter().map(|why| format!("after it {change} in epoch {}: {why}", fence.epoch));
        inner.violations.extend(told);
    }
}

fn references(split: &Split, task: &crate::orchestrator::TaskId) -> bool {
    let routes = split.routes.iter().filter(|route| route.role != Role::Preview);
    routes.flat_map(|route| &route.upstreams).any(|upstream| upstream.task == *task)
}

/// Requests go to tasks that are truly healthy, and to a release only when it is there in full.
fn shifted(from: &Split, to: &Split, truth: &Truth, rules: Rules) -> Vec<String> {
    let serving = |split: &Split, release: &ReleaseId| split.serving().any(|(serving, _)| serving == release);
    let mut broken = Vec::new();
    for route in to.routes.iter().filter(|route| matches!(route.role, Role::Serving(_))) {
        let healthy = |task: &_| {
            truth.sets.get(&route.release).is_some_and(|set| {
                set.tasks.iter().any(|state| {
                    state.id == *task && state.phase == TaskPhase::Running && state.health == Health::Healthy
                })
            })
        };
        let count = route.upstreams.iter().filter(|upstream| healthy(&upstream.task)).count();
        let fresh = !serving(from, &route.release);
        if fresh && count < route.upstreams.len() {
            broken.push(format!("{:#} got requests before it was healthy", route.release));
        }
        if let Some(wanted) = rules.full_set.filter(|wanted| fresh && count < *wanted as usize) {
            broken.push(format!("{:#} got requests with {count} of {wanted} tasks", route.release));
        }
    }
    broken
}
