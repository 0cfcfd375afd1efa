//! A service on ECS, as the core knows platforms.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quickserve_core::clock::Clock;
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::{
    Capabilities, Drive, Native, Observed, Orchestrator, Revision, TaskFailure,
};
use quickserve_core::plan::Strategy;
use quickserve_core::release::{Release, ReleaseId};
use quickserve_core::secrets::SecretStore;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Percent;
use quickserve_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use super::known::Known;
use crate::clients::Clients;

/// What an [`Ecs`] is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Who is deployed.
    pub key: ServiceKey,
    /// The clients of the account and region.
    pub clients: Clients,
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// How the service is made where it does not exist: JSON as for `aws ecs create-service --cli-input-json`.
    /// Cluster, name, task definition, number of tasks and circuit breaker are ours.
    pub definition: Option<String>,
    /// `CloudWatch` alarms that take a deployment back when they fire; the service's own where there are none. ECS
    /// ignores one that fires already when a deployment begins (ECS documentation, "How `CloudWatch` alarms detect
    /// Amazon ECS deployment failures").
    pub alarms: Vec<String>,
    /// Where releases are asked before they get ordinary requests: `host:port` of the test listener of a service with
    /// the strategy `BLUE_GREEN`, `CANARY` or `LINEAR`.
    pub test_listener: Option<String>,
    /// What a release's secrets are to ECS.
    pub secrets: Arc<dyn SecretStore>,
    /// The time that leases are measured by.
    pub clock: Arc<dyn Clock>,
}

/// A service on ECS. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Ecs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    setup: Setup,
    known: Mutex<BTreeMap<String, Arc<Known>>>,
    /// Releases that were registered, or found to be.
    revisions: Mutex<BTreeMap<ReleaseId, Revision>>,
}

/// ECS documentation, "Amazon ECS service quotas": tasks per service.
const MAX_TASKS: u32 = 5000;

/// For a report of a failure, which may take many calls: what failed is taken back after it, and the lease runs.
const REPORT: Duration = Duration::from_secs(10);

impl Ecs {
    /// A service of a cluster. Nothing is called.
    pub fn new(setup: Setup) -> Self {
        let (known, revisions) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { setup, known, revisions }) }
    }

    pub(super) fn client(&self) -> &aws_sdk_ecs::Client {
        self.shared.setup.clients.ecs()
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.shared.setup.clients
    }

    pub(super) fn secrets(&self) -> &dyn SecretStore {
        &*self.shared.setup.secrets
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared.setup.clock.now()
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.shared.setup.clock.sleep(duration).await;
    }

    /// The error of what needs a service.
    pub(super) fn no_service(&self, what: &str) -> Error {
        let message = format!("{what}: cluster {} has no service {}", self.cluster(), self.service());
        Error::new(ErrorKind::NotFound, message).with_hint("quickserve deploy makes it")
    }

    /// The family of definitions that name none.
    pub(super) fn family(&self) -> &str {
        self.shared.setup.key.service()
    }

    pub(super) fn cluster(&self) -> &str {
        &self.shared.setup.cluster
    }

    pub(super) fn service(&self) -> &str {
        &self.shared.setup.service
    }

    pub(super) fn definition(&self) -> Option<&str> {
        self.shared.setup.definition.as_deref()
    }

    pub(super) fn alarms(&self) -> &[String] {
        &self.shared.setup.alarms
    }

    pub(super) fn revisions(&self) -> &Mutex<BTreeMap<ReleaseId, Revision>> {
        &self.shared.revisions
    }

    /// Where releases are asked before they get ordinary requests.
    pub(super) fn test_name(&self) -> Option<&str> {
        self.shared.setup.test_listener.as_deref()
    }

    pub(super) fn cache(&self) -> &Mutex<BTreeMap<String, Arc<Known>>> {
        &self.shared.known
    }
}

#[async_trait]
impl Orchestrator for Ecs {
    fn drive(&self) -> Drive {
        Drive::Managed(Arc::new(self.clone()))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            side_by_side: true,
            weighted_traffic: false,
            preview: self.test_name().is_some(),
            standby: false,
            max_tasks: MAX_TASKS,
            managed: true,
            // ECS API reference, `LinearConfiguration`: steps of 3 % at least; all times are in whole minutes.
            native: Percent::from_tenths(30).map(|least_step| Native {
                strategies: vec![Strategy::BlueGreen, Strategy::Canary, Strategy::Linear],
                unit: Duration::from_mins(1),
                least_step,
            }),
        }
    }

    async fn observe(&self) -> Result<Observed> {
        self.look().await
    }

    async fn register(&self, fence: &Fence, release: &Release) -> Result<Revision> {
        self.register_release(fence, release).await
    }

    async fn explain(&self, release: &ReleaseId) -> Result<Vec<TaskFailure>> {
        within(REPORT, "why its tasks ended", self.failures(release)).await
    }

    async fn circumstances(&self, _: &ReleaseId, since: Timestamp) -> Result<Vec<String>> {
        within(REPORT, "what else ECS knows", self.known_beside(since)).await
    }
}

/// Asks for no longer than this.
async fn within<T>(limit: Duration, what: &str, asked: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
        let message = format!("AWS did not tell within {} s {what}", limit.as_secs());
        Err(Error::new(ErrorKind::TimedOut, message).temporary())
    })
}

impl fmt::Display for Ecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ECS service {} in cluster {}", self.service(), self.cluster())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_that_does_not_come_is_not_waited_for() {
        let never = std::future::pending::<Result<()>>();
        let error = within(REPORT, "why its tasks ended", never).await.expect_err("too late");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "AWS did not tell within 10 s why its tasks ended");
    }
}
