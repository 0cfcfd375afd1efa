//! Values that stand for others. Who looks at one asks one of three questions:
//!
//! | question | asked of | answers |
//! |---|---|---|
//! | must a person replace it? | values that a service gets | [`awaits_person`] |
//! | does another tool fill it in? | texts of task definitions | [`foreign`], [`is_stand_in`] |
//! | is it no secret, whatever its name? | whatever may be one | [`is_placeholder`] |
//!
//! The last one says yes to what the first does, and to much more: `password` is what a local database is really given,
//! and no secret that could be lost.

mod person;
mod secret;
mod tool;

pub use secret::is_placeholder;

pub(crate) use person::awaits_person;
pub(crate) use tool::{foreign, is_stand_in};
