//! QuickServe on a local Docker engine: task sets, image store, secrets, logs, and the traffic router.
//!
//! [`DockerPlatform`] makes an engine a platform that quickserve-core can drive; [`ImageStore`] is its image
//! store as a registry, [`DotenvSecrets`] a dotenv file as a secret store.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use quickserve_core::{Result, clock::SystemClock, orchestrator::Orchestrator, service::ServiceKey};
//! # use quickserve_core::traffic::TrafficRouter;
//! use quickserve_docker::{DockerPlatform, DotenvSecrets, Engine};
//!
//! # async fn example(router: Arc<dyn TrafficRouter>) -> Result<()> {
//! let engine = Engine::connect(None).await?;
//! let key = ServiceKey::new("storefront", "local")?;
//! let secrets = Arc::new(DotenvSecrets::new(".env", ".quickserve/secrets"));
//! let platform = DockerPlatform::new(engine, key, router, secrets, Arc::new(SystemClock));
//! for (release, set) in platform.observe().await?.sets {
//!     assert!(set.tasks.len() <= 100, "{release} has more tasks than a machine may");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Everything that it makes in the engine carries labels ([`labels`]); by them alone it is found again.
//!
//! # Logging
//! The client library below writes requests and answers, environments included, to the `log` facade at level
//! debug. This crate compiles those levels out of the whole program (`log/max_level_info`), so that no logger
//! can be set up to see a secret value. Crates that log through `tracing` are not affected.

mod command;
mod diagnosis;
mod down;
mod engine;
mod holder;
mod images;
pub mod keeper;
mod logs;
mod mask;
mod names;
mod platform;
pub mod prober;
mod programs;
mod random;
pub mod router;
mod secrets;
mod task_set;

pub use command::{Exec, ExecPlace, OneOff, Running, RunningHandle, RunningInput, RunningOutput};
pub use down::Swept;
pub use engine::{Engine, Machine, Output, TerminalSize};
pub use holder::PortHolder;
pub use images::{ImageStore, RegistryAuth};
pub use logs::{LogLines, logs};
pub use names::labels;
pub use platform::DockerPlatform;
pub use programs::Programs;
pub use secrets::{DotenvSecrets, valued_names, variable_names};
pub use task_set::DockerTaskSets;

// Held here so that nobody takes the feature away unnoticed.
const _: () = assert!(
    log::STATIC_MAX_LEVEL as usize <= log::LevelFilter::Info as usize,
    "the levels at which bollard logs secret values must be compiled out"
);
