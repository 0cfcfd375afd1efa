//! The least that must be allowed to deploy a service, and to run it.
//!
//! [`document`] writes it as a policy of IAM, narrowed to the resources of the service; [`preflight`](crate::preflight)
//! asks IAM about the same list.

mod document;
mod needs;
mod place;

pub use document::{Whose, document};
pub(crate) use needs::{Need, Purpose, deployer, execution_role};
pub use place::Place;
