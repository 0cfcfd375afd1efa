//! S3, as far as a journal needs it: without a client of its own, which would take longer to build than all of this crate.
//! `object_store` signs and reads, and its requests go through the HTTP client of the caller's `SdkConfig`.

mod answer;
mod bucket;
mod location;
mod service;

pub(crate) use bucket::Bucket;
pub use location::Location;
