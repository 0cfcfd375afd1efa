//! quickserve.toml.

pub mod duration;
pub mod variables;
