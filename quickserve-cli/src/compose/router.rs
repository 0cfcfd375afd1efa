//! The router, started and told where to listen when a deployment first needs it, and not before.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::traffic::{Counters, Split, SplitVersion, TrafficRouter};
use quickserve_core::{ErrorKind, Result};
use quickserve_docker::router::{Launch, ListenSpec, RouterClient, ensure_running};

/// A router that is there once an owner has raised its epoch.
///
/// Until then one that does not run is no error: nothing is sent anywhere. A new owner's first act is to
/// [`raise`](TrafficRouter::raise); it holds the lock then and its checks have passed, so that is when the
/// router is started and the service's port opened. Should the router die later, the next call brings it back.
#[derive(Debug)]
pub(crate) struct StandingRouter {
    client: RouterClient,
    launch: Launch,
    listen: Option<ListenSpec>,
    raised: AtomicBool,
}

impl StandingRouter {
    /// Without `listen`, the service's port stays as it is.
    pub(crate) fn new(client: RouterClient, launch: Launch, listen: Option<ListenSpec>) -> Self {
        Self { client, launch, listen, raised: AtomicBool::new(false) }
    }

    fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Makes a call; where nobody answers, once more with the router started.
    async fn standing<T, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                ensure_running(&self.launch).await?;
                call().await
            }
            answer => answer,
        }
    }

    /// Makes a call that only looks: a router that does not run yet has nothing to show.
    async fn look<T: Default, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        if self.is_raised() {
            return self.standing(call).await;
        }
        match call().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(T::default()),
            answer => answer,
        }
    }
}

#[async_trait]
impl TrafficRouter for StandingRouter {
    async fn split(&self) -> Result<(Split, SplitVersion)> {
        self.look(|| self.client.split()).await
    }

    async fn raise(&self, fence: &Fence) -> Result<()> {
        ensure_running(&self.launch).await?;
        self.client.raise(fence).await?;
        if let Some(listen) = &self.listen {
            self.client.configure(fence, listen).await?;
        }
        self.raised.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn set(&self, fence: &Fence, expect: SplitVersion, split: &Split) -> Result<SplitVersion> {
        self.standing(|| self.client.set(fence, expect, split)).await
    }

    async fn in_flight(&self) -> Result<BTreeMap<TaskId, u64>> {
        self.look(|| self.client.in_flight()).await
    }

    async fn counters(&self) -> Result<BTreeMap<ReleaseId, Counters>> {
        self.look(|| self.client.counters()).await
    }

    async fn remove(&self, fence: &Fence) -> Result<()> {
        self.standing(|| self.client.remove(fence)).await
    }
}

impl fmt::Display for StandingRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}
