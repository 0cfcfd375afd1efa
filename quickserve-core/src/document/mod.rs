//! Texts that people write, TOML and JSON, as one tree whose every value knows its place, and a decoder that
//! reports all that is wrong with it at once.

mod decode;
mod json;
mod node;
mod source;
mod suggest;
mod toml;
pub(crate) mod values;

pub(crate) use decode::{Codes, Decoder, Fields, table};
pub(crate) use json::parse as parse_json;
pub(crate) use node::{Entry, Node, Span, Table, Value};
pub(crate) use source::Source;
pub(crate) use suggest::{did_you_mean, nearest};
pub(crate) use toml::parse as parse_toml;
