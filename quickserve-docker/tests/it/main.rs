//! Tests of the crate as its callers use it.

mod docker;
mod prober;
mod router;
