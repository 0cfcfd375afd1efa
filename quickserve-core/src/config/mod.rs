//! quickserve.toml.

pub mod duration;
