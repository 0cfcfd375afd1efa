//! The protocols of AWS's services: how a request names its operation, and what an answer looks like.

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use serde_json::{Value, json};

/// Which one a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// AWS JSON 1.1: ECS, `CloudWatch` Logs.
    Json,
    /// AWS query: Elastic Load Balancing.
    Query,
    /// Smithy RPC v2 with CBOR: `CloudWatch`.
    Cbor,
}

/// A request, as far as the fake reads it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) protocol: Protocol,
    /// The service's name in botocore; none where its model is not looked at.
    pub(super) service: Option<&'static str>,
    pub(super) operation: String,
    pub(super) request: Value,
}

impl Asked {
    pub(super) fn read(headers: &HeaderMap, path: &str, body: &str) -> Self {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        if let Some((_, operation)) = path.rsplit_once("/operation/") {
            let operation = operation.to_owned();
            return Self { protocol: Protocol::Cbor, service: None, operation, request: Value::Null };
        }
        let (target, operation) = header("x-amz-target").split_once('.').unwrap_or_default();
        if target.is_empty() {
            let request: Value = form(body).map(|(name, value)| (name, json!(value))).collect();
            let operation = request["Action"].as_str().unwrap_or_default().to_owned();
            return Self { protocol: Protocol::Query, service: None, operation, request };
        }
        let service = if target.starts_with("Logs") { "logs" } else { "ecs" };
        let request = serde_json::from_str(body).unwrap_or_default();
        Self { protocol: Protocol::Json, service: Some(service), operation: operation.to_owned(), request }
    }
}

fn form(body: &str) -> impl Iterator<Item = (String, String)> {
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = u8::from_str_radix(&part[..2], 16).expect("two hexadecimal digits");
        out.push(char::from(byte));
        out.push_str(&part[2..]);
    }
    out
}

impl Protocol {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Query => "text/xml",
            Self::Cbor => "application/cbor",
        }
    }

    pub(super) fn answer(self, operation: &str, answer: &Value) -> Bytes {
        match self {
            Self::Json => answer.to_string().into(),
            Self::Query => {
                let inner = xml(answer);
                format!("<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>")
                    .into()
            }
            Self::Cbor => cbor(answer).into(),
        }
    }

    pub(super) fn error(self, code: &str, message: &str) -> Bytes {
        match self {
            Self::Query => {
                let error = xml(&json!({ "Code": code, "Message": message }));
                format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>").into()
            }
            Self::Json => json!({ "__type": code, "message": message }).to_string().into(),
            Self::Cbor => cbor(&json!({ "__type": code, "message": message })).into(),
        }
    }
}

fn xml(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let elements = members.iter().map(|(name, inner)| format!("<{name}>{}</{name}>", xml(inner)));
            elements.collect::<Vec<_>>().concat()
        }
        Value::Array(items) => {
            let members = items.iter().map(|item| format!("<member>{}</member>", xml(item)));
            members.collect::<Vec<_>>().concat()
        }
        Value::String(text) => text.replace('&', "&amp;").replace('<', "&lt;"),
        other => other.to_string(),
    }
}

/// RFC 8949; no number is among what the fake answers in it.
fn cbor(value: &Value) -> Vec<u8> {
    let head = |major: u8, length: usize| -> Vec<u8> {
        let length = u16::try_from(length).expect("a short answer");
        [vec![(major << 5) | 0x19], length.to_be_bytes().to_vec()].concat()
    };
    match value {
        Value::Object(members) => {
            let inner = members.iter().flat_map(|(name, inner)| [cbor(&json!(name)), cbor(inner)].concat());
            head(5, members.len()).into_iter().chain(inner).collect()
        }
        Value::Array(items) => head(4, items.len()).into_iter().chain(items.iter().flat_map(cbor)).collect(),
        Value::String(text) => [head(3, text.len()), text.as_bytes().to_vec()].concat(),
        other => panic!("{other} has no place in an answer"),
    }
}
