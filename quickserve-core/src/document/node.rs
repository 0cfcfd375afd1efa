//! The tree that TOML and JSON are read into.

use std::ops::Range;

/// Byte offsets into the text.
pub(crate) type Span = Range<usize>;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A value of TOML or JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    String(String),
    Integer(i64),
    /// Also an integer that no `i64` holds.
    Float(f64),
    Boolean(bool),
    /// TOML only.
    Datetime(String),
    /// JSON only.
    Null,
    Array(Vec<Node>),
    Table(Table),
}

/// A table or object, its entries in the order of the text; keys are unique.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Node {
    /// What it is, as a person calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a decimal number",
            Value::Boolean(_) => "true or false",
            Value::Datetime(_) => "a date or time",
            Value::Null => "null",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    pub(crate) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// As plain JSON. A number that JSON cannot write becomes null.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::String(text) | Value::Datetime(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Boolean(truth) => (*truth).into(),
            Value::Null => serde_json::Value::Null,
            Value::Array(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(table) => {
                table.entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
            }
        }
    }
}

impl Table {
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// This table with what `over` says on top: tables are merged key by key, anything else is replaced.
    pub(crate) fn overlaid(&self, over: &Self) -> Self {
        let mut merged = self.clone();
        for entry in &over.entries {
            match merged.entries.iter_mut().find(|below| below.key == entry.key) {
                None => merged.entries.push(entry.clone()),
                Some(below) => {
                    let node = match (&below.node.value, &entry.node.value) {
                        (Value::Table(base), Value::Table(over)) => {
                            Node { span: entry.node.span.clone(), value: Value::Table(base.overlaid(over)) }
                        }
                        _ => entry.node.clone(),
                    };
                    *below = Entry { node, ..entry.clone() };
                }
            }
        }
        merged
    }

    /// This table without some keys.
    pub(crate) fn without(&self, keys: &[&str]) -> Self {
        let kept = self.entries.iter().filter(|entry| !keys.contains(&entry.key.as_str()));
        Self { entries: kept.cloned().collect() }
    }
}
