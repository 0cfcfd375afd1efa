//! What the router counts, as Prometheus reads it.

mod endpoint;
mod families;
mod text;

pub(super) use endpoint::{Endpoint, Endpoints};
