//! Services on ECS.

mod answer;
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

pub(crate) use answer::Answer;
pub(crate) use definition::RELEASE_TAG;
pub use platform::{Ecs, Setup};
pub(crate) use service::{Live, live};
