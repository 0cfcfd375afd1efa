//! QuickServe on a local Docker engine.

pub mod prober;
pub mod router;
