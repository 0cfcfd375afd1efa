//! Texts that people write, TOML and JSON, as one tree whose every value knows its place, and a decoder that
//! reports all that is wrong with it at once.
//!
//! ```
//! use quickserve_core::document::{Source, parse_json};
//! use quickserve_core::finding::Code;
//!
//! let source = Source { file: "task.json", text: "{\n  \"cpu\": \"256\"\n}" };
//! let tree = parse_json(source, Code::DEFINITION_SYNTAX, Code::DEFINITION_INCOMPLETE).expect("JSON");
//! let cpu = &tree.as_table().and_then(|table| table.entry("cpu")).expect("an entry").node;
//! assert_eq!(cpu.as_str(), Some("256"));
//! assert_eq!(source.place(cpu.span.start).to_string(), "task.json:2:10");
//! ```

mod decode;
mod json;
mod node;
mod source;
mod suggest;
mod toml;
pub(crate) mod values;

pub(crate) use decode::{Codes, Decoder, Fields, in_order, table};
pub use json::parse as parse_json;
pub use node::{Entry, Node, Span, Table, Value};
pub use source::Source;
pub(crate) use suggest::is_misspelt;
pub use suggest::{did_you_mean, near, nearest};
pub(crate) use toml::parse as parse_toml;
