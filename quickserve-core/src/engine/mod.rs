//! The engine: runs plans, and plans again when something fails.
//!
//! It knows no strategy and no platform. All waiting, trying again and deadlines are here, on a
//! [`Clock`](crate::clock::Clock); a platform's calls return at once.

mod begin;
mod control;
mod deployer;
mod policy;
mod run;
mod vitals;
mod wait;

pub use control::Control;
pub use deployer::{Deployer, Parts, Request};
pub use run::serving;

pub(crate) use run::{Run, Stop};
pub(crate) use wait::Pace;

#[cfg(test)]
mod crash_matrix;
