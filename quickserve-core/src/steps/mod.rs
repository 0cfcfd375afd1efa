//! What each kind of step does: one file per kind, each a method of the engine's run.

mod bake;
mod drain;
mod explain;
mod gates;
mod go_back;
mod place;
mod promote;
mod retire;
mod rollout;
mod shift;
mod smoke;
mod verify;

pub(crate) use place::failure_threshold;
