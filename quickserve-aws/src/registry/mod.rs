//! Images in ECR, and in any registry that speaks the OCI distribution protocol.

mod client;
mod copy;
mod credentials;
mod documents;
mod ecr;
mod failure;
mod inspect;
mod lifecycle;
mod manifest;
mod pins;
mod remote;

pub use credentials::{Anonymous, DockerConfig, Login, RegistryCredentials};
pub(crate) use ecr::registry_at;
pub use ecr::{Ecr, EcrRepository};
pub use lifecycle::{Expiry, LifecyclePolicy, Selection};
pub use remote::{RemoteRegistry, Setup};
