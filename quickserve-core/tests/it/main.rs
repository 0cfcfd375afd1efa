//! Tests of the crate as its callers use it.

#[cfg(feature = "contract")]
mod contract;
