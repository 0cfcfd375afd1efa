//! The parts on local Docker.

mod engine;
mod host;
mod last_look;
mod ports;
mod programs;
mod reach;
mod router;
mod start;
mod wish;

use std::collections::BTreeMap;
use std::sync::Arc;

use quickserve_core::config::Settings;
use quickserve_core::engine::{Deployer, Parts};
use quickserve_core::event::Observer;
use quickserve_core::fence::Fence;
use quickserve_core::preflight::Report;
use quickserve_core::registry::ResolvedImage;
use quickserve_core::release::Release;
use quickserve_core::service::ServiceKey;
use quickserve_core::workload::Workload;
use quickserve_core::{Error, ErrorKind, Result};
use quickserve_docker::router::RouterControl;
use quickserve_docker::{DockerPlatform, DotenvSecrets, Engine, ImageStore, Swept};

use super::stage::{Place, Stage};
use super::{Access, clock, journals, liveness, owner};
use crate::failure::Failure;
use crate::settings::Context;
use crate::target::Target;

use last_look::StandingFacts;
pub(crate) use reach::{Reach, for_rule, url};
use router::StandingRouter;
pub(crate) use start::{launch, router, router_arguments, router_run, worker_arguments};

/// What only local Docker has.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) engine: Engine,
    pub(crate) platform: Arc<DockerPlatform>,
    pub(crate) images: Arc<ImageStore>,
    pub(crate) secrets: Arc<DotenvSecrets>,
    /// The router of this machine, whether it runs or not.
    pub(crate) control: RouterControl,
    /// The service's part of it.
    pub(crate) router: Arc<StandingRouter>,
}

/// Connects to the engine and puts the parts together.
pub(super) async fn stage(
    context: &Context,
    target: &Target,
    access: Access,
    observer: Arc<dyn Observer>,
) -> Result<Stage, Failure> {
    let Target { key, reach, .. } = target;
    let local = Local::new(context, target, engine::connect(context).await?);
    let journals = journals::store(context, target, access, None).await?;
    let parts = Parts {
        key: key.clone(),
        platform: Arc::clone(&local.platform) as _,
        prober: Arc::new(reach.prober()),
        journals,
        clock: clock(),
        observer,
        liveness: liveness(),
        owner: owner(context)?,
        public: reach.public,
        retainers: vec![Arc::clone(&local.images) as _, Arc::clone(&local.secrets) as _],
    };
    Ok(Stage {
        deployer: Deployer::new(parts),
        platform: Arc::clone(&local.platform) as _,
        secrets: Arc::clone(&local.secrets) as _,
        place: Place::Local(local),
    })
}

impl Local {
    fn new(context: &Context, target: &Target, engine: Engine) -> Self {
        let Target { key, reach, env_file, .. } = target;
        let control = router(context);
        let client = control.service(key.clone());
        let router = Arc::new(StandingRouter::new(client, launch(context), reach.listen()));
        let secrets = Arc::new(DotenvSecrets::new(env_file.clone(), secrets_dir(context, key)));
        let platform = DockerPlatform::new(
            engine.clone(),
            key.clone(),
            Arc::clone(&router) as _,
            Arc::clone(&secrets) as _,
            clock(),
        );
        let images = Arc::new(ImageStore::new(engine.clone(), key.clone()));
        Self { engine, platform: Arc::new(platform), images, secrets, control, router }
    }

    /// Whether the ports are free.
    pub(super) async fn check_ports(&self, target: &Target) -> Result<Report> {
        ports::check(&self.engine, &self.control, &target.key, &target.reach).await
    }

    /// Whether the images have what their health checks run, and this machine has room for them.
    pub(super) async fn check_images(
        &self,
        settings: &Settings,
        workload: &Workload,
        images: &BTreeMap<String, ResolvedImage>,
    ) -> Result<Report> {
        let (programs, host) = tokio::try_join!(
            programs::check(&self.images, workload, images),
            host::check(&self.engine, settings, workload, images),
        )?;
        Ok(programs.and(host))
    }

    /// What is looked at again for a release.
    pub(super) fn last_look(&self, target: &Target, release: &Release) -> StandingFacts {
        StandingFacts::new(self, target, release)
    }

    /// Removes what no deployment knows of: what is left in the engine, kept secrets, and the router where it
    /// has nothing to do any more.
    pub(crate) async fn sweep(&self, deployer: &Deployer, volumes: bool) -> Result<Swept> {
        let journal = deployer.journal().await?;
        if let Some(open) = &journal.state().open {
            let message = format!("{} of {} began meanwhile", open.opened.deployment, open.owner.who);
            return Err(Error::new(ErrorKind::Busy, message).with_hint("what it needs was left alone"));
        }
        let fence = Fence { epoch: journal.state().epoch, op: 0, not_after: jiff::Timestamp::MAX };
        let swept = self.platform.sweep(&fence, volumes).await?;
        self.secrets.clear().await?;
        // Refused while it has services, and no error where it does not run.
        match self.control.shutdown(false).await {
            Err(error) if !matches!(error.kind(), ErrorKind::Busy | ErrorKind::Unavailable) => Err(error),
            _ => Ok(swept),
        }
    }
}

/// Where values are kept for releases that may come back.
fn secrets_dir(context: &Context, key: &ServiceKey) -> std::path::PathBuf {
    context.state_dir.join("secrets").join(format!("{}.{}", key.service(), key.environment()))
}
