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
mod log;
mod observe;
mod platform;
mod register;
mod rollout;
mod service;
mod verdict;

pub use platform::{Ecs, Setup};
