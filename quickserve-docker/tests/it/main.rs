//! Tests of the crate as its callers use it, on real things.

mod docker;
mod prober;
mod router;
