//! What the tests across crates, the command's own tests and the demo share: a shop with a service to deploy,
//! and what the engine has of it. It is for tests, so it panics where something is not as it should be.
#![expect(clippy::missing_panics_doc, reason = "every panic here is a test that fails")]

mod calls;
pub mod docker;
mod emulator;
pub mod load;
mod ran;
mod shop;
pub mod soak;
mod tap;

pub use calls::Calls;
pub use emulator::Emulator;
pub use ran::Ran;
pub use shop::{Settings, Shop, artifact, free_port, quickserve, quickserve_alone, tool};
pub use tap::Tap;
