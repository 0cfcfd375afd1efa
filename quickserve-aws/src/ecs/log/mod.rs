//! What containers write, where `CloudWatch` Logs keeps it.

mod end;
mod follow;
mod hidden;
mod output;
mod page;
mod source;

pub(super) use output::{Output, output};
pub(super) use source::Source;
