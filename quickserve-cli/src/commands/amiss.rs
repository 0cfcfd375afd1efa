//! What does not agree of what was decided, what serves and what exists.

use quickserve_core::journal::State;
use quickserve_core::orchestrator::{Health, Observed, TaskId};
use quickserve_docker::router::ServiceStatus;

use crate::render::{short_task, words};

/// Something that does not agree, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amiss {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The router does not run.
    Router,
    /// How many tasks there are.
    Count,
    /// A task that the engine calls unhealthy.
    Unhealthy(TaskId),
    /// Where requests go.
    Requests,
    /// Tasks that nobody wants.
    Left,
    /// What tasks run.
    Images,
}

impl Amiss {
    fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Where what was decided, what serves and what exists do not agree, while nothing is in flight. `is_open` is whether
/// requests can come in at all.
pub(super) fn all(state: &State, observed: &Observed, is_open: bool) -> Vec<Amiss> {
    let mut amiss = reach(state, is_open);
    let Some(current) = state.current() else {
        for (release, set) in observed.sets.iter().filter(|(_, set)| !set.tasks.is_empty()) {
            let tasks = words::count(set.tasks.len() as u64, "task");
            amiss.push(Amiss::new(
                Kind::Left,
                format!("{tasks} of {release:#} exist, though nothing was promoted"),
            ));
        }
        return amiss;
    };
    let known = state.releases.get(current);
    let has_traffic = known.is_some_and(|release| release.workload.endpoint.is_some());
    let set = observed.set(current);
    let live = set.live().count();
    // A platform that keeps a number by itself is told it by whoever scales the service.
    let tasks = observed.rollout.as_ref().map_or(state.tasks, |rollout| rollout.desired);
    if live != tasks as usize {
        amiss.push(Amiss::new(Kind::Count, format!("{live} of {tasks} tasks of {current:#} are there")));
    }
    for task in set.live() {
        if let Health::Unhealthy(why) = &task.health {
            let text = format!("task {} of {current:#} is unhealthy: {why}", short_task(&task.id.0));
            amiss.push(Amiss::new(Kind::Unhealthy(task.id.clone()), text));
        }
    }
    if let Some(release) = known
        && set.live().any(|task| task.images != release.digests())
    {
        let text = format!("tasks of {current:#} run other images than it says");
        amiss.push(Amiss::new(Kind::Images, text));
    }
    let routed = observed.split.serving().map(|(release, _)| release).collect::<Vec<_>>();
    if tasks == 0 {
        if !routed.is_empty() {
            let text = "requests still go somewhere, though there should be no tasks";
            amiss.push(Amiss::new(Kind::Requests, text));
        }
    } else if has_traffic && is_open && routed != [current] {
        let text = format!("requests do not go to {current:#} alone, which was promoted");
        amiss.push(Amiss::new(Kind::Requests, text));
    }
    for (release, set) in
        observed.sets.iter().filter(|(release, set)| *release != current && !set.tasks.is_empty())
    {
        let text = format!("{} of {release:#} are left", words::count(set.tasks.len() as u64, "task"));
        amiss.push(Amiss::new(Kind::Left, text));
    }
    amiss
}

/// Whether the router is missing to what should serve.
pub(super) fn reach(state: &State, is_open: bool) -> Vec<Amiss> {
    let current = state.current().and_then(|current| state.releases.get(current));
    let has_traffic = current.is_some_and(|release| release.workload.endpoint.is_some());
    let text = "the router is not running: nobody answers on the public port";
    Vec::from_iter((has_traffic && !is_open).then(|| Amiss::new(Kind::Router, text)))
}

/// Why the router cannot open the public port of what should serve: no command of ours mends that.
pub(super) fn closed(state: &State, service: Option<&ServiceStatus>) -> Option<String> {
    let why = service.and_then(ServiceStatus::closed).filter(|_| state.current().is_some())?;
    Some(format!("the router cannot open the public port: {why}"))
}

/// The same of the preview's, which no client needs.
pub(super) fn no_preview(service: &ServiceStatus) -> Option<String> {
    let why = service.trouble.as_ref().filter(|_| service.closed().is_none())?;
    Some(format!("the router cannot open the preview port: {why}"))
}
