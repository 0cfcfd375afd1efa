//! The parts on AWS ECS. Nothing of AWS is loaded or asked before an environment on ECS needs it.

mod account;
mod images;
mod last_look;
mod plugin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quickserve_aws::ecs::{self, Ecs};
use quickserve_aws::registry::{self, Anonymous, DockerConfig, Ecr, RegistryCredentials, RemoteRegistry};
use quickserve_aws::secrets::AwsSecrets;
use quickserve_aws::{Clients, UrlProber};
use quickserve_check::Text;
use quickserve_core::Result;
use quickserve_core::config;
use quickserve_core::engine::{Deployer, Parts};
use quickserve_core::event::Observer;
use quickserve_core::health::HealthProber;
use quickserve_core::service::ServiceKey;
use quickserve_core::workload::Workload;
use quickserve_docker::prober::HttpProber;

use self::plugin::Plugin;
use super::stage::{Place, Stage};
use super::{Access, aws, clock, journals, liveness, owner};
use crate::failure::Failure;
use crate::settings::Context;
use crate::target::Target;
pub(super) use account::StandingAccount;

pub(super) use images::check_images;
pub(super) use last_look::StandingSecrets;

/// What only ECS has.
#[derive(Debug)]
pub(crate) struct Cloud {
    key: ServiceKey,
    cluster: String,
    service: String,
    /// How the service is made, where a file says it.
    definition: Option<String>,
    pub(super) platform: Arc<Ecs>,
    clients: Clients,
    /// Where programs are looked for.
    path: Option<String>,
    /// Whether quickserve.toml says where people reach the service.
    is_reached: bool,
    credentials: Arc<dyn RegistryCredentials>,
}

/// Puts the parts together. No call is made.
pub(super) async fn stage(
    context: &Context,
    target: &Target,
    settings: &config::Ecs,
    access: Access,
    observer: Arc<dyn Observer>,
) -> Result<Stage, Failure> {
    let clients = aws::clients(&target.settings.aws).await?;
    let journals = journals::store(context, target, access, Some(&clients)).await?;
    let definition = settings.definition.as_deref().map(|path| read(context, &target.path(path)));
    let key = target.key.clone();
    let secrets = Arc::new(AwsSecrets::new(clients.clone()));
    let definition = definition.transpose()?;
    let platform = Arc::new(Ecs::new(ecs::Setup {
        key: key.clone(),
        clients: clients.clone(),
        cluster: settings.cluster.clone(),
        service: settings.service.clone(),
        definition: definition.clone(),
        alarms: target.settings.alarms.clone(),
        test_listener: settings.test_listener.clone(),
        secrets: Arc::clone(&secrets) as _,
        clock: clock(),
    }));
    let prober: Arc<dyn HealthProber> = match &settings.public_url {
        Some(url) => Arc::new(UrlProber::new(&clients, url.clone(), Arc::new(HttpProber::default()))?),
        // Nobody asks tasks there but their own health checks.
        None => Arc::new(HttpProber::default()),
    };
    let parts = Parts {
        key: key.clone(),
        platform: Arc::clone(&platform) as _,
        prober,
        journals,
        clock: clock(),
        observer,
        liveness: liveness(),
        owner: owner(context)?,
        public: settings.public_url.as_ref().map(|_| UrlProber::ADDRESS),
        retainers: Vec::new(),
    };
    let (cluster, service) = (settings.cluster.clone(), settings.service.clone());
    let (path, credentials) = (context.variable("PATH").map(str::to_owned), credentials(context));
    let is_reached = settings.public_url.is_some();
    let shared = Arc::clone(&platform);
    let cloud =
        Cloud { key, cluster, service, definition, platform: shared, clients, path, is_reached, credentials };
    Ok(Stage { deployer: Deployer::new(parts), platform, secrets, place: Place::Cloud(cloud) })
}

/// How the service is made, in the words of a file.
fn read(context: &Context, path: &Path) -> Result<String, Failure> {
    let read = Text::read(path, &context.shown(path)).map(|text| text.text);
    read.map_err(|finding| {
        Failure::usage(finding.message, "make it, or correct `service_definition` in quickserve.toml")
    })
}

/// What `docker login` has kept for registries that are not ECR's.
fn credentials(context: &Context) -> Arc<dyn RegistryCredentials> {
    let named = context.variable("DOCKER_CONFIG").map(PathBuf::from);
    let folder = named.or_else(|| Some(Path::new(context.variable("HOME")?).join(".docker")));
    match folder {
        Some(folder) => Arc::new(DockerConfig::new(folder.join("config.json"))),
        None => Arc::new(Anonymous),
    }
}

impl Cloud {
    /// The cluster's name or ARN.
    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The service's name or ARN.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// What carries a terminal into a container.
    pub(super) async fn plugin(&self) -> Result<Plugin> {
        Plugin::find(self.path.as_deref()).await
    }

    /// Whether it is known where people reach the service.
    pub(super) fn is_reached(&self) -> bool {
        self.is_reached
    }

    /// That smoke checks are not made, and what lets them be.
    pub(super) fn unasked(&self) -> String {
        let environment = self.key.environment();
        format!(
            "the smoke checks are not made: ECS does not say where the service is reached; write public_url = \"https://...\" \
             in [environments.{environment}]"
        )
    }

    /// Where the images of a workload are.
    pub(super) fn registry(&self, workload: &Workload) -> Result<RemoteRegistry> {
        RemoteRegistry::new(registry::Setup {
            key: self.key.clone(),
            repositories: Vec::new(),
            credentials: Arc::clone(&self.credentials),
            ecr: Some(Ecr::new(self.clients.clone())),
            platform: workload.platform().to_owned(),
            mirrors: BTreeMap::new(),
            clock: clock(),
        })
    }

    /// The refusal of what only local Docker does, with what does it here.
    pub(super) fn refused(&self, what: &str, instead: String) -> Failure {
        let environment = self.key.environment();
        Failure::refused(format!("{what} works on local Docker, and {environment} runs on ECS"), instead)
    }
}
