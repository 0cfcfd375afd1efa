//! `[[smoke]]`: requests that must be answered as expected, before traffic and again after 100 %.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use crate::config::health_check::path;
use crate::document::{Decoder, Fields, Node, Value, table, values};

/// A request that must be answered as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct SmokeTest {
    /// The path, beginning with `/`.
    pub path: String,
    /// The method. Default: `GET`.
    pub method: String,
    /// Headers to send beside `Host`.
    pub headers: BTreeMap<String, String>,
    /// The body to send.
    pub body: Option<String>,
    /// What the answer must be.
    pub expect: Expectation,
    /// For the whole attempt. Default: 5 s.
    pub timeout: Duration,
}

/// What an answer must be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectation {
    /// Its status; any 2xx without one.
    pub status: Option<u16>,
    /// Values in its JSON body, by JSON pointer (RFC 6901) such as `/status`.
    pub json: BTreeMap<String, Json>,
    /// What its body must contain.
    pub body_contains: Option<String>,
}

const METHODS: &[(&str, &str)] = &[
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
    ("OPTIONS", "OPTIONS"),
];

pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Option<SmokeTest> {
    table(|fields| {
        let path = fields.required("path", "say what to ask for, such as path = \"/health\"", path);
        Some(SmokeTest {
            method: fields.optional("method", values::choice(METHODS)).unwrap_or("GET").to_owned(),
            headers: fields.optional("headers", values::map(values::text)).unwrap_or_default(),
            body: fields.optional("body", values::text),
            expect: fields
                .optional("expect", |d, n| table(|fields| Some(expectation(fields)))(d, n))
                .unwrap_or_default(),
            timeout: fields.optional("timeout", values::some_time).unwrap_or(Duration::from_secs(5)),
            path: path?,
        })
    })(decoder, node)
}

fn expectation(fields: &mut Fields<'_, '_, '_>) -> Expectation {
    Expectation {
        status: fields.optional("status", values::integer(100..=599)),
        json: fields.optional("json", pointers).unwrap_or_default(),
        body_contains: fields.optional("body_contains", values::name),
    }
}

fn pointers(decoder: &mut Decoder<'_>, node: &Node) -> Option<BTreeMap<String, Json>> {
    if let Value::Table(table) = &node.value {
        for entry in &table.entries {
            if !entry.key.is_empty() && !entry.key.starts_with('/') {
                let message = format!("{:?} is not a JSON pointer", entry.key);
                let hint = format!("write \"/{}\"", entry.key.replace('.', "/"));
                decoder.bad_value(&entry.key_span, message, hint);
            }
        }
    }
    values::map(|_, value: &Node| Some(value.to_json()))(decoder, node)
}
