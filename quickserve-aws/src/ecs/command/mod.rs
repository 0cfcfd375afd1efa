//! Commands that people run beside deployments: in a task, or in one of their own.

mod exec;
mod one_off;
mod running;

pub use exec::{ExecPlace, ExecSession};
pub use one_off::OneOff;
pub use running::{RunningTask, TaskHandle};
