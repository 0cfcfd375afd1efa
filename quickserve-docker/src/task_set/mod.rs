//! Task sets: what a task is made of, how it is started, read back, stopped and explained.

mod blueprint;
mod definition;
mod failure;
mod fencing;
mod ports;
mod sets;
mod start;
mod stop;
mod task;

pub(crate) use failure::Failures;
pub(crate) use fencing::Fences;
pub use sets::DockerTaskSets;
pub(crate) use task::Task;
