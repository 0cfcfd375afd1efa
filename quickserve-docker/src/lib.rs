//! QuickServe on a local Docker engine.

mod engine;
mod names;
mod near;
mod platform;
pub mod prober;
mod random;
pub mod router;
mod task_set;
mod text;

pub use engine::Engine;
pub use platform::DockerPlatform;
