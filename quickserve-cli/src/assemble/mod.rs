//! From settings and arguments to a release: which containers run which images with which secrets.

mod draft;
mod images;
mod read;
mod values;

pub(crate) use draft::{Draft, commit};
pub(crate) use read::{draft, variables, workload};
pub(crate) use values::env_file;
