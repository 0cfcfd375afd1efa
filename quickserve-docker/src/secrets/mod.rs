//! Secrets from dotenv files.

mod dotenv_file;
mod dotenv_secrets;
mod values;

pub use dotenv_file::{valued_names, variable_names};
pub use dotenv_secrets::DotenvSecrets;
