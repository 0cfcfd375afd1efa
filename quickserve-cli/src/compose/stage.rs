//! What works for one service, whatever platform it is on; and what only one of them has.

use std::collections::BTreeMap;
use std::sync::Arc;

use quickserve_aws::preflight;
use quickserve_core::config::Settings;
use quickserve_core::engine::Deployer;
use quickserve_core::event::Observer;
use quickserve_core::finding::Code;
use quickserve_core::journal::State;
use quickserve_core::orchestrator::Orchestrator;
use quickserve_core::plan::DeploymentConfig;
use quickserve_core::preflight::{LastLook, Report};
use quickserve_core::registry::{Registry, ResolvedImage};
use quickserve_core::release::Release;
use quickserve_core::secrets::SecretStore;
use quickserve_core::workload::Workload;
use quickserve_core::{ErrorKind, Result};
use quickserve_docker::router::Status;

use super::docker::Local;
use super::ecs::Cloud;
use super::{Access, docker, ecs, journals};
use crate::failure::Failure;
use crate::settings::Context;
use crate::target::Target;

/// Everything that works for one service.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) deployer: Deployer,
    pub(crate) platform: Arc<dyn Orchestrator>,
    pub(crate) secrets: Arc<dyn SecretStore>,
    pub(super) place: Place,
}

/// What only one platform has.
#[derive(Debug)]
pub(super) enum Place {
    Local(Local),
    Cloud(Cloud),
}

impl Stage {
    /// Puts the parts together. Nothing is started, and nothing changes outside the state folder.
    pub(crate) async fn new(
        context: &Context,
        target: &Target,
        access: Access,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Failure> {
        let mut stage = match &target.settings.ecs {
            None => docker::stage(context, target, access, observer).await?,
            Some(ecs) => ecs::stage(context, target, ecs, access, observer).await?,
        };
        stage.deployer = stage.deployer.with_lease(target.settings.deploy.lease);
        Ok(stage)
    }

    /// What only local Docker has, where the service is there.
    pub(crate) fn local(&self) -> Option<&Local> {
        match &self.place {
            Place::Local(local) => Some(local),
            Place::Cloud(_) => None,
        }
    }

    /// The same for what is done on local Docker alone; else the refusal, with what does it elsewhere.
    pub(crate) fn need_local(
        &self,
        what: &str,
        instead: impl FnOnce(&Cloud) -> String,
    ) -> Result<&Local, Failure> {
        match &self.place {
            Place::Local(local) => Ok(local),
            Place::Cloud(cloud) => Err(cloud.refused(what, instead(cloud))),
        }
    }

    /// What only ECS has, for what has no meaning elsewhere.
    pub(crate) fn need_cloud(&self) -> Result<&Cloud, Failure> {
        match &self.place {
            Place::Cloud(cloud) => Ok(cloud),
            Place::Local(_) => Err(Failure::usage(
                "local Docker asks nobody for permission",
                "choose an environment on ECS with -e",
            )),
        }
    }

    /// Who has looked, when all agrees.
    pub(crate) fn witnesses(&self) -> &'static str {
        match &self.place {
            Place::Local(_) => "journal, router and engine",
            Place::Cloud(_) => "journal and ECS",
        }
    }

    /// Where the images of a workload are.
    pub(crate) fn registry(&self, workload: &Workload) -> Result<Arc<dyn Registry>> {
        match &self.place {
            Place::Local(local) => Ok(Arc::clone(&local.images) as _),
            Place::Cloud(cloud) => Ok(Arc::new(cloud.registry(workload)?)),
        }
    }

    /// Whether requests can come in where the settings say.
    pub(crate) async fn check_entrance(&self, target: &Target) -> Result<Report> {
        match &self.place {
            Place::Local(local) => local.check_ports(target).await,
            // Its load balancer is whoever's who made it.
            Place::Cloud(_) => Ok(Report::default()),
        }
    }

    /// Whether the images run there, and have what their health checks need.
    pub(crate) async fn check_images(
        &self,
        settings: &Settings,
        workload: &Workload,
        images: &BTreeMap<String, ResolvedImage>,
    ) -> Result<Report> {
        match &self.place {
            Place::Local(local) => local.check_images(settings, workload, images).await,
            Place::Cloud(_) => Ok(ecs::check_images(workload, images)),
        }
    }

    /// Whether the account that the service is in lets a deployment through, and whether its journal is safe. What cannot
    /// be asked is told.
    pub(crate) async fn check_account(
        &self,
        settings: &Settings,
        workload: &Workload,
        images: &BTreeMap<String, String>,
        state: Option<&State>,
    ) -> Report {
        let Place::Cloud(cloud) = &self.place else { return journals::inspect(settings, None).await };
        // Nothing is said of a history that nobody could read.
        let has_good_release = state.is_none_or(|state| state.current().is_some());
        let subject = cloud.subject(settings, workload, images, has_good_release);
        let (account, journal) = tokio::join!(
            preflight::check(cloud.clients(), &subject),
            journals::inspect(settings, Some(cloud.clients())),
        );
        let nobody = account
            .findings
            .iter()
            .any(|finding| finding.code == Code::AWS_IDENTITY && finding.location.is_none());
        // Who is nobody to AWS is nobody to S3: once is enough.
        if nobody { account } else { account.and(journal) }
    }

    /// What is looked at again once the lock is held.
    pub(crate) fn last_look(&self, target: &Target, release: &Release) -> Arc<dyn LastLook> {
        match &self.place {
            Place::Local(local) => Arc::new(local.last_look(target, release)),
            Place::Cloud(cloud) => {
                let secrets = ecs::StandingSecrets::new(Arc::clone(&self.secrets), release);
                let images = release.images.iter();
                let images =
                    images.map(|(container, image)| (container.clone(), image.reference.clone())).collect();
                let subject = cloud.subject(&target.settings, &release.workload, &images, true);
                Arc::new(ecs::StandingAccount::new(cloud.clients(), subject, Arc::new(secrets)))
            }
        }
    }

    /// Why smoke checks cannot be asked for, where there are any: a platform does not say where its services are reached.
    pub(crate) fn unasked(&self, config: &DeploymentConfig) -> Option<String> {
        let cannot = self.local().is_none() && config.traffic && !config.smoke.is_empty();
        cannot.then(|| {
            "the smoke checks are not made: ECS does not say where the service is reached".to_owned()
        })
    }

    /// How many tasks a deployment has where nobody has said it: on a platform that keeps a number by itself, that one.
    pub(crate) async fn tasks(&self, settings: &Settings, state: &State) -> Result<u32> {
        let ours = state.tasks_for(settings.deploy.tasks.unwrap_or(1));
        if settings.deploy.tasks.is_some() || !self.platform.capabilities().managed {
            return Ok(ours);
        }
        let kept = self.platform.observe().await?.rollout.map(|rollout| rollout.desired);
        Ok(kept.filter(|tasks| *tasks > 0).unwrap_or(ours))
    }

    /// What the router of this machine says of itself; nothing where the service has none.
    ///
    /// # Errors
    /// When it runs and does not answer.
    pub(crate) async fn router_status(&self) -> Result<Option<Status>> {
        let Some(local) = self.local() else { return Ok(None) };
        match local.control.status().await {
            Ok(status) => Ok(Some(status)),
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(None),
            Err(error) => Err(error),
        }
    }
}
