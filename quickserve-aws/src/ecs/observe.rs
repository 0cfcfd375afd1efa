//! What exists and what serves.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::{Container, DesiredStatus, HealthStatus, Task};
use quickserve_core::Result;
use quickserve_core::fence::Epoch;
use quickserve_core::orchestrator::{
    Health, Observed, Revision, SetState, Standing, TaskId, TaskPhase, TaskState,
};
use quickserve_core::release::{Digest, ReleaseId};
use quickserve_core::rollout::Rollout;
use quickserve_core::traffic::{Role, Route, Split};
use quickserve_core::workload::Protocol;

use super::known::Known;
use super::platform::Ecs;
use super::rollout::rollout_id;
use super::service::Live;
use super::verdict::{Verdict, verdict};
use crate::error::{Call, call};

const LIST: Call = call("ecs", "ListTasks");
const DESCRIBE: Call = call("ecs", "DescribeTasks");
/// ECS API reference, `DescribeTasks`: at most 100.
const AT_ONCE: usize = 100;

impl Ecs {
    pub(super) async fn look(&self) -> Result<Observed> {
        let Some(live) = self.live().await? else { return Ok(Observed::default()) };
        let mut sets: BTreeMap<ReleaseId, SetState> = BTreeMap::new();
        for task in self.tasks(DesiredStatus::Running).await? {
            let known = self.known(task.task_definition_arn().unwrap_or_default()).await?;
            sets.entry(known.stands_for.clone()).or_default().tasks.push(state(&task, &known));
        }
        for set in sets.values_mut() {
            set.tasks.sort_by(|a, b| a.id.cmp(&b.id));
            for (ordinal, task) in (0..).zip(&mut set.tasks) {
                task.ordinal = ordinal;
            }
        }
        let split = split(&sets);
        let rollout = self.newest(&live).await?;
        Ok(Observed { sets, split, rollout, ..Observed::default() })
    }

    async fn newest(&self, live: &Live) -> Result<Option<Rollout>> {
        // One that is being removed heads for nothing.
        let Some(primary) = live.primary().filter(|_| !live.is_draining()) else { return Ok(None) };
        let known = self.known(&primary.revision).await?;
        Ok(Some(Rollout {
            id: rollout_id(primary),
            revision: Revision(primary.revision.clone()),
            release: known.release.clone(),
            desired: live.desired(),
            succeeded: verdict(&primary.id, &live.deployments) == Verdict::Complete,
            gated: live.is_gated(),
        }))
    }

    /// The service's tasks that shall run, or those that shall not; ECS forgets the latter after about an hour.
    pub(super) async fn tasks(&self, desired: DesiredStatus) -> Result<Vec<Task>> {
        let mut pages = self
            .client()
            .list_tasks()
            .cluster(self.cluster())
            .service_name(self.service())
            .desired_status(desired)
            .into_paginator()
            .send();
        let mut arns = Vec::new();
        while let Some(page) = pages.next().await {
            arns.extend(page.map_err(|error| LIST.failed(error))?.task_arns.unwrap_or_default());
        }
        let mut tasks = Vec::new();
        for some in arns.chunks(AT_ONCE) {
            let request =
                self.client().describe_tasks().cluster(self.cluster()).set_tasks(Some(some.to_vec()));
            // What is gone meanwhile comes as a failure, and is gone.
            tasks.extend(
                request.send().await.map_err(|error| DESCRIBE.failed(error))?.tasks.unwrap_or_default(),
            );
        }
        Ok(tasks)
    }
}

/// ECS API reference, "Task lifecycle".
fn state(task: &Task, known: &Known) -> TaskState {
    let (phase, leaving) = match task.last_status().unwrap_or_default() {
        "RUNNING" => (TaskPhase::Running, false),
        "DEACTIVATING" | "STOPPING" => (TaskPhase::Running, true),
        "DEPROVISIONING" | "STOPPED" | "DELETED" => (TaskPhase::Ended, true),
        _ => (TaskPhase::Starting, false),
    };
    let health = match task.health_status() {
        Some(HealthStatus::Healthy) => Health::Healthy,
        Some(HealthStatus::Unhealthy) => Health::Unhealthy("a container's health check failed".to_owned()),
        // Who has no check has nothing to say but that it runs.
        _ if known.checked.is_empty() && phase == TaskPhase::Running => Health::Healthy,
        _ => Health::Unknown,
    };
    let images = task
        .containers()
        .iter()
        .filter_map(|container| Some((container.name()?.to_owned(), digest(container)?)));
    let started = task.started_at().and_then(|at| jiff::Timestamp::from_second(at.secs()).ok());
    TaskState {
        id: task_id(task),
        ordinal: 0,
        epoch: Epoch::default(),
        phase,
        health,
        address: None,
        images: images.collect(),
        standing: Standing::Promoted,
        started,
        restarts: 0,
        doomed: leaving,
        killed: false,
    }
}

/// The digest that a container runs. The reference that it was started by is exact where it holds one: of an image
/// for several platforms ECS reports the platform's own digest beside it.
fn digest(container: &Container) -> Option<Digest> {
    let named = container.image().and_then(|image| image.rsplit_once('@')).map(|(_, digest)| digest);
    named.or(container.image_digest()).and_then(|digest| digest.parse().ok())
}

pub(super) fn task_id(task: &Task) -> TaskId {
    let arn = task.task_arn().unwrap_or_default();
    TaskId(arn.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Load balancers send requests to every task that runs; who answers them is not for ECS to say.
fn split(sets: &BTreeMap<ReleaseId, SetState>) -> Split {
    let serving = sets.iter().filter_map(|(release, set)| {
        let running = set.live().filter(|task| task.phase == TaskPhase::Running).count();
        (running > 0).then(|| Route {
            release: release.clone(),
            role: Role::Serving(u32::try_from(running).unwrap_or(u32::MAX)),
            protocol: Protocol::default(),
            upstreams: Vec::new(),
        })
    });
    Split { routes: serving.collect() }
}
