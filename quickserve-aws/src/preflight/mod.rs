//! QS6xx: whether AWS will let a deployment through, looked at before anything is changed.
//!
//! [`check`] makes all of the checks at a time. Every call is a read. What may not be looked at is told as that, and
//! keeps nothing else from being looked at.

mod alarms;
mod balancer;
mod check;
mod cluster;
mod declared;
mod drift;
mod headroom;
mod identity;
mod logs;
mod permissions;
mod roles;
mod service;
mod subject;
mod subnets;
mod targets;
mod told;

pub use check::{again, check, place};
pub(crate) use declared::{Declared, LogTarget};
pub use subject::Subject;

#[cfg(test)]
pub(crate) use subject::tests::subject as subject_for_tests;
