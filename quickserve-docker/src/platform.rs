//! Local Docker as a platform for one service.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use quickserve_core::clock::Clock;
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::{
    Capabilities, Drive, Observed, Orchestrator, Revision, SetState, TaskFailure,
};
use quickserve_core::release::{Release, ReleaseId};
use quickserve_core::secrets::SecretStore;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::TrafficRouter;
use quickserve_core::workload::Condition;
use quickserve_core::{Error, ErrorKind, Result};

use crate::engine::Engine;
use crate::task_set::{DockerTaskSets, Task};

/// How many tasks a service may have on one machine. A bridge of the Linux kernel has 1024 ports; the services of
/// an environment share one, and a deployment may double its tasks.
const MAX_TASKS: u32 = 100;

/// One service in one environment on a local Docker engine.
///
/// It is driven stepwise: task sets on the engine, and a router that is given. Nothing is kept beside what
/// the engine and the router keep themselves; another process that looks sees the same.
#[derive(Debug, Clone)]
pub struct DockerPlatform {
    engine: Engine,
    key: ServiceKey,
    router: Arc<dyn TrafficRouter>,
    sets: Arc<DockerTaskSets>,
}

impl DockerPlatform {
    /// Binds an engine and a router to a service. Secret values are asked for only when a task is made.
    pub fn new(
        engine: Engine,
        key: ServiceKey,
        router: Arc<dyn TrafficRouter>,
        secrets: Arc<dyn SecretStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let sets = Arc::new(DockerTaskSets::new(engine.clone(), key.clone(), secrets, clock));
        Self { engine, key, router, sets }
    }

    /// The service.
    pub fn key(&self) -> &ServiceKey {
        &self.key
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn sets(&self) -> &DockerTaskSets {
        &self.sets
    }
}

#[async_trait]
impl Orchestrator for DockerPlatform {
    fn drive(&self) -> Drive {
        Drive::Stepwise { sets: Arc::clone(&self.sets) as _, router: Arc::clone(&self.router) }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            side_by_side: true,
            weighted_traffic: true,
            preview: true,
            standby: true,
            max_tasks: MAX_TASKS,
            managed: false,
            native: None,
        }
    }

    async fn observe(&self) -> Result<Observed> {
        let look = async {
            let listed = self.sets.list().await?;
            self.sets.tasks(&listed).await
        };
        let (tasks, split) = futures_util::join!(look, self.router.split());
        let (split, split_version) = split?;
        let mut sets: BTreeMap<ReleaseId, SetState> = BTreeMap::new();
        for task in tasks? {
            sets.entry(task.release.clone()).or_default().tasks.push(Task::state(&task));
        }
        Ok(Observed { sets, split, split_version, rollout: None })
    }

    async fn register(&self, fence: &Fence, release: &Release) -> Result<Revision> {
        self.sets.fences().admit(fence)?;
        DockerTaskSets::check(release)?;
        let images = try_join_all(release.images.iter().map(|(container, image)| async move {
            let found = self.engine.image(image.digest.as_str()).await?;
            let found = found.ok_or_else(|| {
                let message = format!("find image {} of container {container}", image.reference);
                Error::new(ErrorKind::NotFound, message)
                    .with_context("image", format!("{:#}", image.digest))
                    .with_hint("it was removed from this machine: build or pull it, then deploy again")
            })?;
            Ok::<_, Error>((container, found))
        }))
        .await?;
        for container in &release.workload.containers {
            for dependency in &container.depends_on {
                let other = release.workload.container(&dependency.container);
                let image = images.iter().find(|(name, _)| **name == dependency.container);
                let checked = other.is_some_and(|other| match &other.health_check {
                    Some(check) => check.command.first().is_some_and(|kind| kind != "NONE"),
                    None => image.is_some_and(|(_, image)| image.has_health_check),
                });
                if dependency.condition == Condition::Healthy && !checked {
                    let message = format!(
                        "container {} waits for {} to be healthy, which has no health check",
                        container.name, dependency.container
                    );
                    return Err(Error::new(ErrorKind::Invalid, message)
                        .with_hint("give it a healthCheck, or wait for START"));
                }
            }
        }
        self.engine.ensure_network(self.key.environment()).await?;
        Ok(Revision(release.id.to_string()))
    }

    async fn explain(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>> {
        self.sets.explain(release).await
    }

    async fn circumstances(&self, _: &ReleaseId, _: Timestamp) -> Result<Vec<String>> {
        // All that the engine knows of a task that failed is in its end, and our own prober tells the rest.
        Ok(Vec::new())
    }
}

impl fmt::Display for DockerPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on the {}", self.key, self.engine)
    }
}
