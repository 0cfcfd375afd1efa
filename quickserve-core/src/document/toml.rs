//! TOML into the tree.

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use crate::document::{Entry, Node, Source, Table, Value};
use crate::finding::{Code, Finding};

/// Reads a TOML document, or says all that is wrong with its syntax: one finding per line.
pub(crate) fn parse(source: Source<'_>, code: Code) -> Result<Node, Vec<Finding>> {
    let (document, mut errors) = DeTable::parse_recoverable(source.text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let mut findings: Vec<Finding> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or_default();
        let mut finding = source.error(code, &span, error.message());
        if error.message().starts_with("string values must be quoted") {
            let bare = source.text.get(span).unwrap_or_default();
            finding = finding.with_hint(format!("write {bare:?}"));
        }
        let line = finding.place().map(|place| place.line);
        // What follows an error on its line is most often its consequence.
        if findings.last().and_then(|last| last.place()).map(|place| place.line) != line {
            findings.push(finding);
        }
    }
    if findings.is_empty() {
        Ok(Node { span: 0..0, value: Value::Table(table(document.get_ref())) })
    } else {
        Err(findings)
    }
}

fn table(table: &DeTable<'_>) -> Table {
    let entries = table.iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        key_span: key.span(),
        node: node(value),
    });
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Table { entries }
}

fn array(items: &DeArray<'_>) -> Vec<Node> {
    items.iter().map(node).collect()
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => integer(number),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(time) => Value::Datetime(time.to_string()),
        DeValue::Array(items) => Value::Array(array(items)),
        DeValue::Table(entries) => Value::Table(table(entries)),
    };
    Node { span, value }
}

fn integer(number: &DeInteger<'_>) -> Value {
    let parsed = i64::from_str_radix(number.as_str(), number.radix());
    parsed.map_or(
        Value::Float(if number.as_str().starts_with('-') { f64::MIN } else { f64::MAX }),
        Value::Integer,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_with_a_syntax_error_is_reported() {
        let source = Source { file: "quickserve.toml", text: "a = \nb = 1\nc = 'x\n[d\n" };
        let findings = parse(source, Code::CONFIG_SYNTAX).expect_err("wrong");
        let lines: Vec<_> = findings.iter().filter_map(Finding::place).map(|place| place.line).collect();
        assert_eq!(lines, [1, 3, 4]);
    }

    #[test]
    fn integers_of_every_radix_are_read() {
        let source = Source { file: "f", text: "a = 0x1f\nb = 1_000\nc = 99999999999999999999" };
        let node = parse(source, Code::CONFIG_SYNTAX).expect("a tree");
        let values: Vec<_> =
            node.as_table().expect("a table").entries.iter().map(|entry| &entry.node.value).collect();
        assert_eq!(values, [&Value::Integer(31), &Value::Integer(1000), &Value::Float(f64::MAX)]);
    }
}
