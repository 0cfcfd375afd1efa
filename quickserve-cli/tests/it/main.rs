//! The command as people and scripts see it: exit code, stdout and stderr in one snapshot.
//!
//! What needs Docker fails where no engine answers. Each test has its own service, port and state folder, and
//! leaves nothing behind.

mod afterwards;
mod check;
mod configuration;
mod contract;
mod discreet;
mod doctor;
mod ecs;
mod engine;
mod env;
mod everyday;
mod fenced;
mod housekeeping;
mod interrupted;
mod locked;
mod observed;
mod owners;
mod parity;
mod reached;
mod refused;
mod removal;
mod router;
mod running;
mod scanned;
mod shared_port;
mod story;
mod support;
mod told;
mod usage;
mod withheld;
