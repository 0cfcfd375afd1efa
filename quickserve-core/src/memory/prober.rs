//! The prober: asks tasks in memory.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::world::{Behaviour, Inner, MemoryTask, PREVIEW, PUBLIC, World};
use crate::error::Result;
use crate::fault::{Interceptor, intercept};
use crate::health::{HealthProber, ProbeReport, ProbeRequest};
use crate::orchestrator::TaskPhase;

/// One process' way to ask a [`World`]'s tasks.
#[derive(Debug, Clone)]
pub struct MemoryProber {
    world: World,
    interceptor: Arc<dyn Interceptor>,
}

impl MemoryProber {
    pub(super) fn new(world: World, interceptor: Arc<dyn Interceptor>) -> Self {
        Self { world, interceptor }
    }
}

impl fmt::Display for MemoryProber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory prober")
    }
}

#[async_trait]
impl HealthProber for MemoryProber {
    async fn probe(&self, request: &ProbeRequest) -> Result<ProbeReport> {
        let probe = || async {
            let now = self.world.now();
            let inner = self.world.lock();
            let task = if request.address == PUBLIC {
                inner.serving_task(now)
            } else if request.address == PREVIEW {
                inner.newest_task(now)
            } else {
                inner.tasks.values().find(|task| task.address == request.address)
            };
            let Some(task) = task.filter(|task| inner.phase(task, now) == TaskPhase::Running) else {
                return Ok(ProbeReport::Silent { why: "connection refused".to_owned() });
            };
            if request.path.is_none() {
                return Ok(ProbeReport::Connected);
            }
            let broken = inner.behaviour(&task.release) == Behaviour::Broken
                && request.path.as_deref() != Some("/health");
            let status = match (broken, inner.answers(task, now)) {
                (true, _) => 500,
                (false, true) => 200,
                (false, false) => 503,
            };
            Ok(ProbeReport::Answered { status, body: String::new() })
        };
        intercept(&*self.interceptor, "prober", "probe", false, probe).await
    }
}

impl Inner {
    fn serving_task(&self, now: jiff::Timestamp) -> Option<&MemoryTask> {
        let upstreams = self.router.split.routes.iter().flat_map(|route| &route.upstreams);
        let tasks = upstreams.filter_map(|upstream| self.tasks.get(&upstream.task));
        tasks.into_iter().find(|task| self.phase(task, now) == TaskPhase::Running)
    }
}
