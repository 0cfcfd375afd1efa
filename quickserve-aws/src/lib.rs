//! QuickServe on AWS: services on ECS, images in ECR and any other registry, secrets in Secrets Manager and SSM.
//!
//! | trait | on AWS |
//! |---|---|
//! | [`Orchestrator`](quickserve_core::orchestrator::Orchestrator), [`ManagedRollout`](quickserve_core::rollout::ManagedRollout) | [`Ecs`](ecs::Ecs) |
//! | [`Registry`](quickserve_core::registry::Registry) | [`RemoteRegistry`](registry::RemoteRegistry) |
//! | [`SecretStore`](quickserve_core::secrets::SecretStore) | [`AwsSecrets`](secrets::AwsSecrets) |
//!
//! Everything is made from a caller's own `SdkConfig`; no environment is read, except by [`chain::load`], which
//! exists to do that:
//!
//! ```
//! use aws_config::{BehaviorVersion, Region, SdkConfig};
//! use quickserve_aws::{Clients, secrets::AwsSecrets};
//!
//! let sdk = SdkConfig::builder()
//!     .behavior_version(BehaviorVersion::latest())
//!     .region(Region::new("eu-central-1"))
//!     .http_client(quickserve_aws::https())
//!     .build();
//! let secrets = AwsSecrets::new(Clients::new(sdk));
//! assert_eq!(secrets.to_string(), "secrets of AWS in eu-central-1");
//! ```

mod arn;
pub mod bootstrap;
pub mod chain;
mod clients;
mod ec2;
pub mod ecs;
mod error;
pub mod journal;
pub mod policy;
pub mod preflight;
pub mod registry;
mod s3;
pub mod secrets;
mod signed;

pub use arn::Arn;
pub use clients::{Clients, https};
