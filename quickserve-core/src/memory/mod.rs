//! A platform in memory, with faults on purpose: for tests of embedding programs and of QuickServe itself.
//!
//! A [`World`] holds what exists and serves; a [`MemoryPlatform`] is one process' way to it, through an
//! [`Interceptor`](crate::fault::Interceptor) that may fail, delay, repeat or cut off any call. Time is a
//! [`MemoryClock`]: sleeping is what makes it pass.
//!
//! ```
//! use std::sync::Arc;
//! use quickserve_core::memory::{Behaviour, MemoryClock, World};
//! use quickserve_core::orchestrator::Orchestrator;
//! use quickserve_core::fault::NoFaults;
//!
//! let world = World::new(Arc::new(MemoryClock::default()));
//! world.set_behaviour_of_others(Behaviour::NeverHealthy);
//! let platform = world.platform(Arc::new(NoFaults));
//! assert_eq!(platform.capabilities().max_tasks, 10);
//! ```

mod clock;
mod managed;
mod native;
mod platform;
mod prober;
mod registry;
mod router;
mod secrets;
mod world;

pub use clock::MemoryClock;
pub use managed::MemoryManaged;
pub use platform::MemoryPlatform;
pub use prober::MemoryProber;
pub use registry::MemoryRegistry;
pub use router::MemoryRouter;
pub use secrets::MemorySecrets;
pub use world::{Behaviour, Change, Monitor, PREVIEW, PUBLIC, Truth, World};
