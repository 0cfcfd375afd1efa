//! QuickServe on AWS ECS: not built yet.
//!
//! This crate is the place of the ECS platform, and says so instead of pretending: it has no code, the
//! `quickserve` command refuses an environment with `platform = "ecs"` before anything is touched, and nothing
//! here talks to AWS. What will stand here implements the traits of `quickserve-core`:
//!
//! | trait | on AWS |
//! |---|---|
//! | [`Orchestrator`](quickserve_core::orchestrator::Orchestrator), driven by [`ManagedRollout`](quickserve_core::orchestrator::ManagedRollout) | ECS services |
//! | [`Registry`](quickserve_core::registry::Registry) | ECR, and any OCI registry |
//! | [`SecretStore`](quickserve_core::secrets::SecretStore) | Secrets Manager and SSM parameters |
//!
//! Until then, the same traits are implemented by `quickserve-docker`, and by the in-memory platform of the core:
//!
//! ```
//! use quickserve_core::{fault::NoFaults, memory::{MemoryClock, World}, orchestrator::{Drive, Orchestrator}};
//! use std::sync::Arc;
//!
//! let world = World::new(Arc::new(MemoryClock::default()));
//! let platform = world.platform(Arc::new(NoFaults));
//! // ECS will answer `Drive::Managed`: it rolls out by itself and asks at its gates.
//! assert!(matches!(platform.drive(), Drive::Stepwise { .. }));
//! ```
