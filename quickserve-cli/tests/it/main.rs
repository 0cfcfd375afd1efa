//! The command as people and scripts see it: exit code, stdout and stderr in one snapshot.
//!
//! What needs Docker fails where no engine answers. Each test has its own service, port and state folder, and
//! leaves nothing behind.

mod configuration;
mod contract;
mod engine;
mod interrupted;
mod refused;
mod story;
mod support;
mod usage;
