//! What a deployer is made of on local Docker.

mod owner;
pub(crate) mod ports;
mod router;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use quickserve_core::clock::{Clock, SystemClock};
use quickserve_core::config::Settings;
use quickserve_core::engine::{Deployer, Parts};
use quickserve_core::event::Observer;
use quickserve_core::fence::Fence;
use quickserve_core::journal::{self, Journal, Liveness};
use quickserve_core::service::ServiceKey;
use quickserve_core::{Error, ErrorKind, Result};
use quickserve_docker::prober::HttpProber;
use quickserve_docker::router::{Launch, ListenSpec, RouterControl};
use quickserve_docker::{DockerPlatform, DotenvSecrets, Engine, Swept};

use crate::failure::Failure;
use crate::settings::Context;

pub(crate) use router::StandingRouter;

/// Everything that works for one service.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) platform: Arc<DockerPlatform>,
    pub(crate) secrets: Arc<DotenvSecrets>,
    pub(crate) deployer: Deployer,
    /// The router of this machine, whether it runs or not.
    pub(crate) control: RouterControl,
    secrets_dir: PathBuf,
}

/// Where the service's requests come in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach {
    pub(crate) public: Option<SocketAddr>,
    pub(crate) preview: Option<u16>,
}

impl Reach {
    /// As the settings say.
    pub(crate) fn of(settings: &Settings) -> Self {
        let public = settings.public.port.map(|port| SocketAddr::new(settings.public.host, port));
        Self { public, preview: settings.public.preview_port }
    }

    fn listen(&self) -> Option<ListenSpec> {
        let public = self.public?;
        let mut listen = ListenSpec::new(public);
        listen.preview = self.preview.or(listen.preview);
        Some(listen)
    }
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
        let mut failure = Failure::from(error);
        if let Some(cause) = &mut failure.finished.cause {
            // The library's own headline says less, and of the chain only the end speaks to a person.
            cause.message = message;
            cause.causes = cause.causes.pop().into_iter().collect();
        }
        failure
    })
}

/// The router of this machine, whether it runs or not.
pub(crate) fn router(context: &Context) -> RouterControl {
    RouterControl::new(context.state_dir.join("router"))
}

/// The service's journal, for reading, without an engine.
pub(crate) async fn journal(context: &Context, key: &ServiceKey) -> Result<Journal> {
    let store = journal::local(&context.state_dir.join("journal"))?;
    Journal::read(store, key, clock(), owner::nonce()?).await
}

/// Whether other owners' processes live.
pub(crate) fn liveness() -> Arc<dyn Liveness> {
    Arc::new(owner::Processes)
}

/// The machine's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// How to start the router.
fn launch(context: &Context) -> Launch {
    let dir = context.state_dir.join("router");
    let state = context.state_dir.display().to_string();
    // It is started without any variable, so the arguments say everything.
    let args = ["--state-dir".to_owned(), state, "router".to_owned(), "run".to_owned()];
    Launch::new(&dir, &context.executable, args)
}

impl Stage {
    /// Puts the parts together. Nothing is started, and nothing changes outside the state folder.
    pub(crate) fn new(
        context: &Context,
        engine: Engine,
        key: &ServiceKey,
        reach: &Reach,
        env_file: PathBuf,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        let clock = clock();
        let control = router(context);
        let client = control.service(key.clone());
        let router = Arc::new(StandingRouter::new(client, launch(context), reach.listen()));
        let secrets_dir =
            context.state_dir.join("secrets").join(format!("{}.{}", key.service(), key.environment()));
        let secrets = Arc::new(DotenvSecrets::new(env_file, &secrets_dir));
        let platform = Arc::new(DockerPlatform::new(
            engine.clone(),
            key.clone(),
            router,
            Arc::clone(&secrets) as _,
            Arc::clone(&clock),
        ));
        let parts = Parts {
            key: key.clone(),
            platform: Arc::clone(&platform) as _,
            prober: Arc::new(HttpProber),
            journals: journal::local(&context.state_dir.join("journal"))?,
            clock,
            observer,
            liveness: liveness(),
            owner: owner::this_process(&context.user)?,
            public: reach.public,
        };
        Ok(Self { engine, platform, secrets, deployer: Deployer::new(parts), control, secrets_dir })
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
        match std::fs::remove_dir_all(&self.secrets_dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::new(ErrorKind::Unexpected, "remove the kept secrets").with_source(error));
            }
            _ => {}
        }
        // Refused while it has services, and no error where it does not run.
        match self.control.shutdown(false).await {
            Err(error) if !matches!(error.kind(), ErrorKind::Busy | ErrorKind::Unavailable) => Err(error),
            _ => Ok(swept),
        }
    }
}
