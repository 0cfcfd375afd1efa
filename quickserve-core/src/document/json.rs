//! Strict JSON into the tree.

use std::collections::HashMap;

use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::document::{Entry, Node, Source, Span, Table, Value};
use crate::finding::{Code, Finding};

/// How many keys that are there twice are told: each place is counted from the beginning of the text.
const TWICE: usize = 20;

/// Reads a JSON document, or says what is wrong with it: the first syntax error, or the keys that an object has twice,
/// as far as a person reads on.
///
/// `serde_json` decides what is JSON, since it reads the same text elsewhere; `jsonc-parser` adds the places.
///
/// # Errors
/// Findings with these codes: what is no JSON, and what is there twice.
pub fn parse(source: Source<'_>, syntax: Code, twice: Code) -> Result<Node, Vec<Finding>> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(source.text) {
        return Err(vec![syntax_error(source, syntax, &error)]);
    }
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(source.text, &CollectOptions::default(), &strict).map_err(|error| {
        let range = error.range();
        vec![source.error(syntax, &(range.start..range.end), error.kind().to_string())]
    })?;
    let mut findings = Vec::new();
    let mut reader = Reader { source, twice, findings: &mut findings };
    let tree = match &parsed.value {
        Some(value) => reader.node(value),
        None => Node { span: 0..0, value: Value::Null },
    };
    if findings.is_empty() { Ok(tree) } else { Err(findings) }
}

fn syntax_error(source: Source<'_>, code: Code, error: &serde_json::Error) -> Finding {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
    let message = match message {
        "expected ident" => "expected a value",
        "key must be a string" => "a key must be in double quotes",
        "trailing characters" => "nothing may follow the closing bracket",
        other => other,
    };
    let message = message.replace("EOF while parsing", "the file ends in");
    let line_start: usize =
        source.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    // serde_json counts bytes and points at the last byte that it has read.
    let start = (line_start + error.column().saturating_sub(1)).min(source.text.len());
    let start = source.text.floor_char_boundary(start);
    let finding = source.error(code, &(start..start + 1), format!("not JSON: {message}"));
    let rest = &source.text[start..];
    if source.text.starts_with('\u{feff}') {
        finding.with_hint("remove the byte order mark at the beginning of the file")
    } else if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') {
        finding.with_hint("JSON has no comments")
    } else if source.text[..start].trim_end().ends_with(',') && rest.starts_with(['}', ']']) {
        finding.with_hint("remove the comma before it")
    } else {
        finding
    }
}

struct Reader<'a> {
    source: Source<'a>,
    twice: Code,
    findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    fn node(&mut self, ast: &Ast<'_>) -> Node {
        let range = ast.range();
        let value = match ast {
            Ast::StringLit(text) => Value::String(text.value.to_string()),
            Ast::NumberLit(number) => number
                .value
                .parse()
                .map_or_else(|_| Value::Float(number.value.parse().unwrap_or(f64::NAN)), Value::Integer),
            Ast::BooleanLit(truth) => Value::Boolean(truth.value),
            Ast::NullKeyword(_) => Value::Null,
            Ast::Array(items) => Value::Array(items.elements.iter().map(|item| self.node(item)).collect()),
            Ast::Object(object) => Value::Table(self.table(object)),
        };
        Node { span: range.start..range.end, value }
    }

    fn table(&mut self, object: &Object<'_>) -> Table {
        let mut table = Table::default();
        let mut known: HashMap<&str, usize> = HashMap::with_capacity(object.properties.len());
        for property in &object.properties {
            let range = property.name.range();
            let (key, key_span): (_, Span) = (property.name.as_str(), range.start..range.end);
            let node = self.node(&property.value);
            if let Some(first) = known.get(key) {
                if self.findings.len() < TWICE {
                    let line = self.source.place(*first).line;
                    let message = format!("`{key}` is here twice, first in line {line}");
                    self.findings.push(self.source.error(self.twice, &key_span, message));
                }
            } else {
                known.insert(key, key_span.start);
                table.entries.push(Entry { key: key.to_owned(), key_span, node });
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Problems;

    fn wrong(text: &str) -> String {
        let findings =
            parse(Source { file: "t.json", text }, Code::DEFINITION_SYNTAX, Code::DEFINITION_INCOMPLETE)
                .expect_err("not JSON");
        format!("{:#}", Problems::new(findings).expect("problems"))
    }

    #[test]
    fn what_is_not_json_is_refused_at_its_place() {
        let texts = [
            "{\n  // the port\n  \"a\": 1\n}",
            "{\"a\": 1,\n}",
            "{'a': 1}",
            "{\"a\": 1",
            "{} {}",
            "\u{feff}{}",
            "{\"a\": 1,\n \"a\": 2}",
        ];
        insta::assert_snapshot!(texts.map(wrong).join("\n\n"));
    }

    #[test]
    fn of_very_many_keys_that_are_there_twice_the_first_are_told() {
        let text = format!("{{{}\"a\": 1}}", "\"a\": 1, \"b\": 2,".repeat(100));
        let source = Source { file: "t.json", text: &text };
        let findings =
            parse(source, Code::DEFINITION_SYNTAX, Code::DEFINITION_INCOMPLETE).expect_err("twice");
        assert_eq!(findings.len(), TWICE);
    }
}
