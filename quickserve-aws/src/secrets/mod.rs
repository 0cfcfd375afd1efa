//! Secrets Manager's secrets and SSM's parameters.

mod manager;
mod parameters;
mod source;
mod store;

pub use store::AwsSecrets;
