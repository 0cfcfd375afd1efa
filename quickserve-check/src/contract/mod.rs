//! The contract of variables, the files of values, and what code, platforms and task definitions have to do with them.
//!
//! `.env.example` says which variables a service needs ([`Contract`]); files such as `.env` give them values
//! ([`Values`]). What can be said of these alone is said by the checks here: a value that is missing, empty, a
//! placeholder or of another type, a name that is misspelt, environments that differ.
//!
//! What needs to know more is a function that is given what it needs: [`missing`], [`misspelt`], [`undeclared`],
//! [`unread`], [`unvalidated`]. [`template`] writes a contract from what code reads.

mod annotation;
mod coverage;
mod declaration;
mod env_file;
mod environments;
mod judge;
mod kind;
mod names;
mod platform;
mod provision;
mod read;
mod template;
mod value;
mod values;

#[cfg(test)]
mod tests;

pub use coverage::{Need, Reading, undeclared, unread, unvalidated};
pub use declaration::{Contract, Variable};
pub use environments::{Difference, diff};
pub use judge::judge;
pub(crate) use judge::{check, elsewhere};
pub use kind::Kind;
pub use platform::{belongs_to_tools, provided, read_by_libraries};
pub use provision::{missing, misspelt};
pub use read::Contracts;
pub(crate) use read::read;
pub use template::template;
pub use value::Value;
pub use values::{Entry, Values};
