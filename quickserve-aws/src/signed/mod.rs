//! Requests to services that have no client here, since an SDK of theirs would be built for a call or two: signed by
//! `object_store`, sent through the HTTP client of the caller's `SdkConfig`.

mod credentials;
mod endpoint;
mod wire;

pub(crate) use credentials::Credentials;
pub(crate) use endpoint::{Service, endpoint};
pub(crate) use wire::Wire;
