//! The router: a split in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::world::{Change, Inner, World};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{Interceptor, intercept};
use crate::fence::Fence;
use crate::orchestrator::TaskId;
use crate::release::ReleaseId;
use crate::traffic::{Counters, Role, Split, SplitVersion, TrafficRouter};

/// One process' way to a [`World`]'s router.
#[derive(Debug, Clone)]
pub struct MemoryRouter {
    world: World,
    interceptor: Arc<dyn Interceptor>,
}

impl MemoryRouter {
    pub(super) fn new(world: World, interceptor: Arc<dyn Interceptor>) -> Self {
        Self { world, interceptor }
    }
}

impl fmt::Display for MemoryRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory router")
    }
}

#[async_trait]
impl TrafficRouter for MemoryRouter {
    async fn split(&self) -> Result<(Split, SplitVersion)> {
        let split = || async {
            let inner = self.world.lock();
            Ok((inner.router.split.clone(), SplitVersion(inner.router.version)))
        };
        intercept(&*self.interceptor, "router", "split", false, split).await
    }

    async fn raise(&self, fence: &Fence) -> Result<()> {
        let raise = || async { self.world.lock().fence_router(fence) };
        intercept(&*self.interceptor, "router", "raise", true, raise).await
    }

    async fn set(&self, fence: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion> {
        let set = || async {
            check(split)?;
            let (from, version) = {
                let mut inner = self.world.lock();
                inner.fence_router(fence)?;
                let router = &mut inner.router;
                router.listens = router.asked;
                if router.split == *split {
                    return Ok(SplitVersion(router.version));
                }
                if router.version != expect.0 {
                    return Err(Error::new(ErrorKind::Conflict, "the split has changed meanwhile"));
                }
                router.version += 1;
                (std::mem::replace(&mut router.split, split.clone()), router.version)
            };
            self.world.tell(&Change::Shifted { from, to: split.clone() }, fence);
            Ok(SplitVersion(version))
        };
        intercept(&*self.interceptor, "router", "set", true, set).await
    }

    async fn is_as_asked(&self, _: &Split) -> Result<bool> {
        let is_as_asked = || async {
            let inner = self.world.lock();
            Ok(inner.router.listens == inner.router.asked)
        };
        intercept(&*self.interceptor, "router", "is_as_asked", false, is_as_asked).await
    }

    async fn closed(&self) -> Result<Option<String>> {
        let closed = || async { Ok(self.world.lock().router.closed.clone()) };
        intercept(&*self.interceptor, "router", "closed", false, closed).await
    }

    async fn in_flight(&self) -> Result<BTreeMap<TaskId, u64>> {
        let in_flight = || async { Ok(BTreeMap::new()) };
        intercept(&*self.interceptor, "router", "in_flight", false, in_flight).await
    }

    async fn counters(&self) -> Result<BTreeMap<ReleaseId, Counters>> {
        let counters = || async { Ok(BTreeMap::new()) };
        intercept(&*self.interceptor, "router", "counters", false, counters).await
    }

    async fn remove(&self, fence: &Fence) -> Result<()> {
        let remove = || async {
            {
                let mut inner = self.world.lock();
                inner.fence_router(fence)?;
                inner.router.version += 1;
                inner.router.split = Split::default();
            }
            self.world.tell(&Change::Closed, fence);
            Ok(())
        };
        intercept(&*self.interceptor, "router", "remove", true, remove).await
    }
}

/// Refuses a split that could not be served as it says.
fn check(split: &Split) -> Result<()> {
    let mut releases = BTreeSet::new();
    let mut tasks = BTreeSet::new();
    for route in &split.routes {
        let release = &route.release;
        let wrong = match route.role {
            Role::Serving(0) => Some("serves with a weight of 0"),
            Role::Serving(_) if route.upstreams.is_empty() => Some("serves without a task"),
            _ if !releases.insert(release) => Some("has two routes in one split"),
            _ if !route.upstreams.iter().all(|upstream| tasks.insert(&upstream.task)) => {
                Some("has a task that the split names twice")
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Error::new(ErrorKind::Invalid, format!("{release} {wrong}")));
        }
    }
    Ok(())
}

impl Inner {
    fn fence_router(&mut self, fence: &Fence) -> Result<()> {
        if fence.epoch < self.router.epoch {
            let message = format!("epoch {} was followed by {}", fence.epoch, self.router.epoch);
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        self.router.epoch = fence.epoch;
        Ok(())
    }
}
