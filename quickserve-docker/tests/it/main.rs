//! Tests of the crate as its callers use it, on real things.

mod contract;
mod docker;
mod prober;
mod router;
mod withholding;
