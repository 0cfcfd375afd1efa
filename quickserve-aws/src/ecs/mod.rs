//! Services on ECS.

mod body;
mod create;
mod definition;
mod explain;
mod fence;
mod history;
mod json;
mod known;
mod observe;
mod platform;
mod register;
mod rollout;
mod service;
mod verdict;

pub use platform::{Ecs, Setup};
