//! End to end, on real Docker: the real command, the real router, examples/storefront as the service.

mod crash;
mod disk;
mod foreign;
mod ignored;
mod noise;
mod under_load;
