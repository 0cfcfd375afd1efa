//! The tree that TOML and JSON are read into.

use std::ops::Range;

/// Byte offsets into the text.
pub type Span = Range<usize>;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// A value of TOML or JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string, without its quotes and escapes.
    String(String),
    /// A whole number.
    Integer(i64),
    /// Also an integer that no `i64` holds.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// TOML only.
    Datetime(String),
    /// JSON only.
    Null,
    /// A list.
    Array(Vec<Node>),
    /// A table of TOML, an object of JSON.
    Table(Table),
}

/// A table or object, its entries in the order of the text; keys are unique.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// In the order of the text.
    pub entries: Vec<Entry>,
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, without its quotes and escapes.
    pub key: String,
    /// Where the key is written.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl Node {
    /// What it is, as a person calls it.
    pub fn kind(&self) -> &'static str {
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

    /// The table that it is.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text that it is.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key, of a table that has it and where it is not null.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.as_table()?.entry(key)?;
        (entry.node.value != Value::Null).then_some(&entry.node)
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Self] {
        self.as_list().unwrap_or_default()
    }

    /// The list that it is.
    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// As plain JSON. A number that JSON cannot write becomes null.
    pub fn to_json(&self) -> serde_json::Value {
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
    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// This table with what `over` says on top: tables are merged key by key, anything else is replaced.
    #[must_use]
    pub fn overlaid(&self, over: &Self) -> Self {
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
    #[must_use]
    pub fn without(&self, keys: &[&str]) -> Self {
        let kept = self.entries.iter().filter(|entry| !keys.contains(&entry.key.as_str()));
        Self { entries: kept.cloned().collect() }
    }
}
