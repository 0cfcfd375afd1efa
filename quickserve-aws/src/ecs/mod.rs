//! Services on ECS.

mod body;
mod circumstances;
mod create;
mod definition;
mod events;
mod explain;
mod fence;
mod hidden;
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

pub use platform::{Ecs, Setup};
