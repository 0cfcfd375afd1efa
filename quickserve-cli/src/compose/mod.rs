//! What a deployer is made of on local Docker.

pub(crate) mod host;
mod last_look;
mod owner;
pub(crate) mod ports;
pub(crate) mod programs;
mod reach;
mod router;
mod wish;

use std::sync::Arc;

use quickserve_core::clock::{Clock, SystemClock};
use quickserve_core::engine::{Deployer, Parts};
use quickserve_core::event::Observer;
use quickserve_core::fence::Fence;
use quickserve_core::journal::{self, Journal, Liveness, Owner, Process};
use quickserve_core::service::ServiceKey;
use quickserve_core::{Error, ErrorKind, Result};
use quickserve_docker::router::{Launch, RouterControl};
use quickserve_docker::{DockerPlatform, DotenvSecrets, Engine, ImageStore, Swept};

use crate::failure::Failure;
use crate::settings::Context;
use crate::target::Target;

pub(crate) use last_look::StandingFacts;
pub(crate) use reach::{Reach, for_rule, url};
pub(crate) use router::StandingRouter;

/// Everything that works for one service.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) platform: Arc<DockerPlatform>,
    pub(crate) images: Arc<ImageStore>,
    pub(crate) secrets: Arc<DotenvSecrets>,
    pub(crate) deployer: Deployer,
    /// The router of this machine, whether it runs or not.
    pub(crate) control: RouterControl,
    /// The service's part of it.
    pub(crate) router: Arc<StandingRouter>,
}

/// Connects to the engine.
pub(crate) async fn engine(context: &Context) -> Result<Engine, Failure> {
    let address = context.docker_host.as_deref();
    Engine::connect(address).await.map_err(|error| {
        let address = address.unwrap_or(Engine::DEFAULT_ADDRESS).to_owned();
        let message = match error.kind() {
            ErrorKind::PermissionDenied => format!("the Docker engine at {address} does not let you in"),
            ErrorKind::Unsupported => format!("the Docker engine at {address} cannot be used"),
            _ => format!("no Docker engine answers at {address}"),
        };
        let is_away = error.kind() == ErrorKind::Unavailable;
        let mut failure = Failure::from(error);
        if let Some(cause) = &mut failure.finished.cause {
            // The library's own headline says less, and of the chain only the end speaks to a person.
            let headline = std::mem::replace(&mut cause.message, message);
            cause.causes = vec![cause.causes.pop().unwrap_or(headline)];
            // Who has named an engine does not want another one started or installed.
            if let (true, Some(_)) = (is_away, &context.docker_host) {
                let hint = "that address is in DOCKER_HOST: start the engine there, or unset DOCKER_HOST for the \
                            one of this machine";
                cause.hint = Some(hint.to_owned());
            }
        }
        failure
    })
}

/// The router of this machine, whether it runs or not.
pub(crate) fn router(context: &Context) -> RouterControl {
    RouterControl::new(context.state_dir.join("router"))
}

/// What journals are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To look only: not even the state folder is made.
    Read,
    Write,
}

/// The service's journal, without an engine.
pub(crate) async fn journal(context: &Context, key: &ServiceKey, access: Access) -> Result<Journal> {
    let folder = context.state_dir.join("journal");
    let store = match access {
        Access::Read => journal::local_to_read(&folder),
        Access::Write => journal::local(&folder),
    };
    Journal::read(store?, key, clock(), owner::nonce()?).await
}

/// Who calls, as journals name them.
pub(crate) fn who(context: &Context) -> Result<String> {
    Ok(owner::this_process(&context.user)?.who)
}

/// The process that calls, where this host tells processes apart.
pub(crate) fn caller(context: &Context) -> Result<Option<Process>> {
    Ok(owner::this_process(&context.user)?.process)
}

/// This process as an owner.
fn owner(context: &Context) -> Result<Owner> {
    let owner = owner::this_process(&context.user)?;
    Ok(match &context.nonce {
        Some(nonce) => Owner { nonce: nonce.clone(), ..owner },
        None => owner,
    })
}

/// A name for an owner that nobody else has.
pub(crate) fn nonce() -> Result<String> {
    owner::nonce()
}

/// Whether other owners' processes live.
pub(crate) fn liveness() -> Arc<dyn Liveness> {
    Arc::new(owner::Processes)
}

/// The machine's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// How a router's parent starts a worker: without any variable, so the arguments say everything.
pub(crate) fn worker_arguments(context: &Context) -> Vec<String> {
    let state = context.state_dir.display().to_string();
    vec!["--state-dir".to_owned(), state, "router".to_owned(), "worker".to_owned()]
}

/// How a router's parent is started: without any variable, so the arguments say everything.
pub(crate) fn router_arguments(context: &Context) -> Vec<String> {
    let state = context.state_dir.display().to_string();
    let run = ["--state-dir".to_owned(), state, "router".to_owned(), "run".to_owned()];
    let engine = context.docker_host.iter().flat_map(|host| ["--docker-host".to_owned(), host.clone()]);
    run.into_iter().chain(engine).collect()
}

/// How to start the router.
pub(crate) fn launch(context: &Context) -> Launch {
    Launch::new(context.state_dir.join("router"), &context.executable, router_arguments(context))
}

impl Stage {
    /// Puts the parts together. Nothing is started, and nothing changes outside the state folder.
    pub(crate) fn new(
        context: &Context,
        engine: Engine,
        target: &Target,
        access: Access,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        let Target { key, reach, env_file, .. } = target;
        let clock = clock();
        let control = router(context);
        let client = control.service(key.clone());
        let router = Arc::new(StandingRouter::new(client, launch(context), reach.listen()));
        let secrets_dir =
            context.state_dir.join("secrets").join(format!("{}.{}", key.service(), key.environment()));
        let secrets = Arc::new(DotenvSecrets::new(env_file.clone(), &secrets_dir));
        let platform = Arc::new(DockerPlatform::new(
            engine.clone(),
            key.clone(),
            Arc::clone(&router) as _,
            Arc::clone(&secrets) as _,
            Arc::clone(&clock),
        ));
        let journals = context.state_dir.join("journal");
        let images = Arc::new(ImageStore::new(engine.clone(), key.clone()));
        let parts = Parts {
            key: key.clone(),
            platform: Arc::clone(&platform) as _,
            prober: Arc::new(reach.prober()),
            journals: match access {
                Access::Read => journal::local_to_read(&journals)?,
                Access::Write => journal::local(&journals)?,
            },
            clock,
            observer,
            liveness: liveness(),
            owner: owner(context)?,
            public: reach.public,
            retainers: vec![Arc::clone(&images) as _, Arc::clone(&secrets) as _],
        };
        let deployer = Deployer::new(parts);
        Ok(Self { engine, platform, images, secrets, deployer, control, router })
    }

    /// Removes what no deployment knows of: what is left in the engine, kept secrets, and the router where it
    /// has nothing to do any more.
    pub(crate) async fn sweep(&self, volumes: bool) -> Result<Swept> {
        let journal = self.deployer.journal().await?;
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
