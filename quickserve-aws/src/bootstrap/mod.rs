//! The bucket that a journal is kept in: made with the right settings, and looked over.
//!
//! A journal's records are never deleted, never public and never sent in plain text. So its bucket has versioning, blocks
//! public access, encrypts, refuses requests without TLS, and has no rule that deletes or archives what is in it.
//!
//! [`JournalBucket::look`] reads, [`plan`] says what is to be done, [`Step::command`] prints it for those who would rather
//! do it themselves, and [`JournalBucket::apply`] does it. Each step can be repeated.

mod bucket;
mod inspect;
mod lifecycle;
mod policy;
mod seen;
mod step;

pub use bucket::JournalBucket;
pub use inspect::inspect;
pub use seen::Seen;
pub use step::{Step, plan};
