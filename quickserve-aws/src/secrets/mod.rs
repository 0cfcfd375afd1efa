//! Secrets Manager's secrets and SSM's parameters.

mod manager;
mod parameters;
mod source;
mod store;

pub(crate) use manager::describe;
pub(crate) use source::{ParameterRef, SecretRef, Source};
pub use store::AwsSecrets;
