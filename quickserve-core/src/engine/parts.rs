//! What a deployer is made of, and what it is asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use object_store::ObjectStore;

use crate::clock::Clock;
use crate::event::Observer;
use crate::health::HealthProber;
use crate::journal::{Liveness, Owner};
use crate::orchestrator::Orchestrator;
use crate::plan::DeploymentConfig;
use crate::preflight::LastLook;
use crate::release::Release;
use crate::retention::Retainer;
use crate::service::ServiceKey;

/// What a [`Deployer`](super::Deployer) is made of. All of it comes from the caller: the library reads no
/// environment.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Which service.
    pub key: ServiceKey,
    /// Where it runs.
    pub platform: Arc<dyn Orchestrator>,
    /// Asks tasks whether they are well.
    pub prober: Arc<dyn HealthProber>,
    /// Where journals are kept.
    pub journals: Arc<dyn ObjectStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
    /// Whether other owners' processes live.
    pub liveness: Arc<dyn Liveness>,
    /// Who we are. Its nonce must be new for every [`Deployer`](super::Deployer).
    pub owner: Owner,
    /// Where the service's requests come in, if any do.
    pub public: Option<SocketAddr>,
    /// What keeps images and values for releases that may come back, and lets go of those that may not.
    pub retainers: Vec<Arc<dyn Retainer>>,
}

/// What shall be deployed, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// The release.
    pub release: Release,
    /// How many tasks.
    pub tasks: u32,
    /// How it goes.
    pub config: DeploymentConfig,
    /// Deploy it although it was condemned.
    pub retry: bool,
    /// Looks at changing facts again once the lock is held.
    pub last_look: Option<Arc<dyn LastLook>>,
}
