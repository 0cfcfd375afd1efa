//! QuickServe's core: the model of a deployment, the traits that platforms implement, planners, engine and
//! journal.
//!
//! The one idea is `plan(goal, observed) -> steps` (see [`plan`]): deploying, rolling back and recovering are
//! the same act with another goal. A [`Deployer`](engine::Deployer) runs plans on whatever implements
//! [`Orchestrator`](orchestrator::Orchestrator), and writes down what it intends before it does it, in the
//! [`journal`]. This crate reads no environment, prints nothing and knows no platform; time, storage and
//! everything else come in through [`Parts`](engine::Parts).
//!
//! | to | see |
//! |---|---|
//! | deploy from your own program | [`engine`] |
//! | bring a platform of your own | [`orchestrator`], [`traffic`], and the suites in `contract` (feature `contract`) |
//! | add a strategy | [`plan`] |
//! | follow a deployment | [`event`] |
//! | know how a command can end | [`outcome`] |
//!
//! # A deployment in memory
//!
//! ```
//! use std::{collections::BTreeMap, sync::Arc};
//! use quickserve_core::{
//!     clock::Clock, engine::{Control, Deployer, Parts, Request}, event::Silent, fault::NoFaults,
//!     journal::{self, NoLiveness, Owner}, memory::{MemoryClock, MemoryRegistry, PUBLIC, World},
//!     outcome::Outcome, plan::DeploymentConfig, registry::Registry, release::Release,
//!     service::ServiceKey, workload::{EndpointPort, HealthGate, Probe, Workload},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let clock = Arc::new(MemoryClock::default());
//! let world = World::new(clock.clone());
//! let registry = MemoryRegistry::default();
//! registry.insert("shop:1.8.2", b"layers");
//!
//! let mut workload = Workload::single("app");
//! workload.endpoint = Some(EndpointPort { container: "app".into(), port: 3000 });
//! workload.gate = HealthGate::new(Probe::Http { path: "/health".into() });
//! let image = registry.resolve("shop:1.8.2").await?.image;
//! let images = BTreeMap::from([("app".to_owned(), image)]);
//! let release = Release::new("1.8.2", images, Vec::new(), workload, None)?;
//!
//! let deployer = Deployer::new(Parts {
//!     key: ServiceKey::new("shop", "local")?,
//!     platform: Arc::new(world.platform(Arc::new(NoFaults))),
//!     prober: Arc::new(world.prober(Arc::new(NoFaults))),
//!     journals: journal::in_memory(),
//!     clock,
//!     observer: Arc::new(Silent),
//!     liveness: Arc::new(NoLiveness),
//!     owner: Owner { nonce: "unique".into(), who: "ada@laptop".into(), process: None },
//!     public: Some(PUBLIC),
//!     retainers: Vec::new(),
//! });
//! let request = Request { release, tasks: 2, config: DeploymentConfig::default(), retry: false, last_look: None };
//! let finished = deployer.deploy(&request, &Control::default()).await?;
//! assert_eq!(finished.outcome, Outcome::Done);
//! assert_eq!(finished.serving[0].tasks, 2);
//! # Ok::<(), quickserve_core::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod clock;
pub mod config;
#[cfg(feature = "contract")]
pub mod contract;
pub mod diagnosis;
pub mod document;
pub mod engine;
pub mod error;
pub mod event;
pub mod fault;
pub mod fence;
pub mod finding;
pub mod health;
pub mod journal;
pub mod latency;
pub mod log;
pub mod memory;
pub mod orchestrator;
pub mod outcome;
pub mod plan;
pub mod preflight;
pub mod registry;
pub mod release;
pub mod remedy;
pub mod retention;
pub mod rollout;
pub mod secrets;
pub mod service;
pub mod text;
pub mod traffic;
pub mod workload;

mod steps;

pub use error::{Error, ErrorKind, Result, Retry};
