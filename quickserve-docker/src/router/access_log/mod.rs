//! The access log: a line for each request, where its service asks for that.

mod entry;
mod file;
mod writer;

pub(super) use entry::{Entry, Followed, Logged};
pub(super) use writer::AccessLog;
