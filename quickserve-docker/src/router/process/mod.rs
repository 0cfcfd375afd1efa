//! The router's processes: a parent that holds the sockets, the worker that serves, and followers that finish.
//!
//! `docs/design/router-processes.md` says why they are so.

mod adopt;
mod changeover;
mod children;
mod follower;
mod followers;
mod link;
mod listeners;
mod messages;
mod parent;
mod supervised;
mod worker;

pub(super) use adopt::whole;
pub(super) use followers::{Followers, Load, Told, add};
pub(super) use listeners::{Hold, Listeners};
pub use messages::Supervision;
pub(super) use messages::Upgrade;
pub use parent::{Supervisor, supervise};
pub(super) use supervised::Supervised;
pub use worker::work;
