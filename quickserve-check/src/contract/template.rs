//! A contract written from what the code reads.

use std::fmt::Write as _;

use super::platform::{is_of_runtime, provides};
use crate::code::{Code, Need};

/// Parts of names by which a value is known to be secret.
const SECRET: [&str; 8] = ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "API_KEY", "PRIVATE_KEY", "CREDENTIAL", "DSN"];

/// The text of a contract: every variable that the code reads, without any value.
pub fn template(code: &Code) -> String {
    let mut text = String::from("# What the service reads from its environment. Every variable is required, unless it is @optional.\n");
    for name in code.names() {
        if provides(None, name) && !is_of_runtime(name) {
            continue;
        }
        let need = code.need(name);
        let mut marks = Vec::new();
        if need == Some(Need::Defaulted) {
            marks.push("@optional".to_owned());
        }
        if SECRET.iter().any(|part| name.contains(part)) {
            marks.push("@secret".to_owned());
        }
        marks.extend(kind(name).map(|kind| format!("@type({kind})")));
        let place = code.usages.iter().find(|usage| usage.name == name).map(|usage| &usage.place);
        let place = place.map(|place| format!("read at {}:{}", place.file, place.line)).unwrap_or_default();
        let said: Vec<String> = std::iter::once(place).chain(marks).filter(|part| !part.is_empty()).collect();
        // Writing to a text cannot fail.
        let _ = write!(text, "\n# {}\n{name}=\n", said.join(" "));
    }
    text
}

/// What a name says of its value.
fn kind(name: &str) -> Option<&'static str> {
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if name == "PORT" || ends(&["_PORT"]) {
        Some("port")
    } else if ends(&["_URL", "_URI", "_ENDPOINT"]) {
        Some("url")
    } else if name.starts_with("ENABLE_") || ends(&["_ENABLED", "_DEBUG"]) {
        Some("bool")
    } else {
        None
    }
}
