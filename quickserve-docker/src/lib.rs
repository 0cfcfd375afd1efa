//! wip
mod engine;
mod names;
mod near;
mod platform;
mod random;
mod task_set;
mod text;
pub use engine::Engine;
pub use platform::DockerPlatform;
