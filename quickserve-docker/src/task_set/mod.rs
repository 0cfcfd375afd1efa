//! Task sets: what a task is made of, how it is started, read back, stopped and explained.

mod blueprint;
mod definition;
mod failure;
mod fencing;
mod ports;
mod repair;
mod sets;
mod start;
mod stop;
mod task;

pub(crate) use blueprint::Blueprint;
pub(crate) use definition::{Definition, environment};
pub(crate) use failure::{Failures, innermost, reason, reason_of};
pub(crate) use fencing::Fences;
pub(crate) use repair::Remedy;
pub use sets::DockerTaskSets;
pub(crate) use task::{Task, group};
