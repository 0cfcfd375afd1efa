//! Commands that people run beside deployments: in a task, or in a container of their own.

mod exec;
mod one_off;
mod running;

pub use exec::{Exec, ExecPlace};
pub use one_off::OneOff;
pub use running::{Running, RunningHandle, RunningInput, RunningOutput};
