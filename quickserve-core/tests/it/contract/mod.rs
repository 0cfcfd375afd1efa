//! The contract suites: that the backends in memory hold to them, and that broken ones do not.

mod memory;
mod planted;
