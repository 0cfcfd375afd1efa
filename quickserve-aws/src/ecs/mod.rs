//! Services on ECS.

mod answer;
mod body;
mod circumstances;
mod command;
mod configuration;
mod create;
mod definition;
mod diagnosis;
mod events;
mod explain;
mod fence;
mod gates;
mod history;
mod json;
mod known;
mod live_definition;
mod log;
mod observe;
mod platform;
mod register;
mod rollout;
mod service;
mod verdict;
mod written;

pub(crate) use answer::described;
pub use command::{ExecPlace, ExecSession, OneOff, RunningTask, TaskHandle};
pub(crate) use definition::{DESCRIBED_ONLY, RELEASE_TAG};
pub use platform::{Ecs, Setup};
pub(crate) use service::{Live, live};
