//! The engine: runs plans, and plans again when something fails.
//!
//! It knows no strategy and no platform. All waiting, trying again and deadlines are here, on a
//! [`Clock`](crate::clock::Clock); a platform's calls return at once.

mod begin;
mod closed;
mod control;
mod deployer;
mod end;
mod events;
mod everyday;
mod follow;
mod housekeeping;
mod parts;
mod pause;
mod policy;
mod reach;
mod refuse;
mod run;
mod takeover;
mod turn;
mod vitals;
mod wait;

pub use control::{Control, InHand};
pub use deployer::Deployer;
pub use end::serving;
pub use parts::{Parts, Request};

pub(crate) use run::{Import, Run, Stop};
pub(crate) use wait::Pace;

#[cfg(test)]
mod crash_matrix;
#[cfg(test)]
mod tests;
