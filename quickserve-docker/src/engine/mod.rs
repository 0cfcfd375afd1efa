//! The Docker engine: the only module that uses bollard.
//!
//! Each method is one request. "Already so" is a value, not an error; everything else that goes wrong
//! becomes a [`quickserve_core::Error`] in [`fault`].

mod client;
mod closeup;
mod commands;
mod containers;
mod creation;
mod deaths;
mod fault;
mod images;
mod logs;
mod networks;

pub use client::Engine;
pub(crate) use closeup::Closeup;
pub use closeup::Machine;
pub(crate) use commands::Attached;
pub use commands::{Output, TerminalSize};
pub(crate) use containers::{CheckResult, Created, Inspected, Listed, RestartPolicy, RunState, Started};
pub(crate) use creation::{Attachment, Console, NewContainer};
pub(crate) use deaths::Death;
pub(crate) use fault::is_port_taken;
pub(crate) use images::{PushAuth, StoredImage};
pub(crate) use logs::{LogFrame, LogRequest};
