//! Tests of this crate on real things.

mod docker;
