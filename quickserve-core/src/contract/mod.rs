//! The contract suites: what every implementation of a trait must hold to, whichever platform it is for.
//!
//! A suite is run against a fixture, which makes fresh things for it and says what they can do. Each rule gets
//! a thing of its own; the suite panics with every rule that is broken, as a sentence and what was seen.
//!
//! | suite | of |
//! |---|---|
//! | [`task_sets`] | [`TaskSets`](crate::orchestrator::TaskSets) |
//! | [`orchestrator`] | [`Orchestrator`](crate::orchestrator::Orchestrator), for platforms that are driven stepwise |
//! | [`router`] | [`TrafficRouter`](crate::traffic::TrafficRouter) |
//! | [`registry`] | [`Registry`](crate::registry::Registry) |
//! | [`secrets`] | [`SecretStore`](crate::secrets::SecretStore) |
//! | [`prober`] | [`HealthProber`](crate::health::HealthProber) |
//! | [`journal`] | stores that a [`Journal`](crate::journal::Journal) is kept in |
//!
//! ```
//! use std::sync::Arc;
//! use async_trait::async_trait;
//! use quickserve_core::contract::{SecretsFixture, SecretsStage, secrets};
//! use quickserve_core::memory::MemorySecrets;
//! use quickserve_core::secrets::SecretStore;
//!
//! struct Memory;
//! struct Stage(Arc<MemorySecrets>);
//!
//! #[async_trait]
//! impl SecretsFixture for Memory {
//!     async fn fresh(&self) -> Box<dyn SecretsStage> {
//!         Box::new(Stage(Arc::default()))
//!     }
//! }
//!
//! #[async_trait]
//! impl SecretsStage for Stage {
//!     fn store(&self) -> Arc<dyn SecretStore> {
//!         self.0.clone()
//!     }
//!     fn another_process(&self) -> Arc<dyn SecretStore> {
//!         self.0.clone()
//!     }
//!     async fn put(&self, name: &str, value: &str) -> String {
//!         self.0.insert(name, value);
//!         name.to_owned()
//!     }
//!     fn pins(&self) -> bool {
//!         true
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! secrets(&Memory).await;
//! # });
//! ```

mod imitation;
mod journal;
mod orchestrator;
mod platform;
mod prober;
mod registry;
mod router;
mod rule;
mod secrets;
mod task_sets;

pub use imitation::{Target, imitate};
pub use journal::{JournalFixture, JournalStage, journal};
pub use orchestrator::orchestrator;
pub use platform::{PlatformFixture, PlatformStage};
pub use prober::{ProberFixture, ProberStage, prober};
pub use registry::{RegistryFixture, RegistryStage, registry};
pub use router::{RouterFixture, RouterStage, router};
pub use secrets::{SecretsFixture, SecretsStage, secrets};
pub use task_sets::task_sets;
