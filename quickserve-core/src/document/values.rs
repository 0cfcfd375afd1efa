//! Readers of single values, and combinators of readers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::duration;
use crate::document::{Decoder, Node, Value};

/// A string, with its `${NAME}` filled in where the document has such.
pub(crate) fn text(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    raw_text(decoder, node).and_then(|text| decoder.fill(&node.span, text, false))
}

/// A string that a shell will read: a `${NAME}` that we do not know is left to it.
pub(crate) fn shell_text(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    raw_text(decoder, node).and_then(|text| decoder.fill(&node.span, text, true))
}

/// A string as it stands.
pub(crate) fn raw_text<'n>(decoder: &mut Decoder<'_>, node: &'n Node) -> Option<&'n str> {
    if let Value::String(text) = &node.value {
        return Some(text);
    }
    match &node.value {
        Value::Integer(number) => {
            decoder.wrong_type_hint(node, "a string", format!("write \"{number}\" with quotes"));
        }
        Value::Boolean(truth) => {
            decoder.wrong_type_hint(node, "a string", format!("write \"{truth}\" with quotes"));
        }
        _ => decoder.wrong_type(node, "a string"),
    }
    None
}

/// A string with something in it.
pub(crate) fn name(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = text(decoder, node)?;
    if text.trim().is_empty() {
        decoder.bad_value(&node.span, "is empty", "write a value or remove the key");
        return None;
    }
    Some(text)
}

/// A path, relative to the folder of the file.
pub(crate) fn path(decoder: &mut Decoder<'_>, node: &Node) -> Option<PathBuf> {
    name(decoder, node).map(PathBuf::from)
}

/// True or false.
pub(crate) fn boolean(decoder: &mut Decoder<'_>, node: &Node) -> Option<bool> {
    match &node.value {
        Value::Boolean(truth) => Some(*truth),
        Value::String(text) if matches!(text.as_str(), "true" | "false") => {
            decoder.wrong_type_hint(node, "true or false", format!("write {text} without quotes"));
            None
        }
        _ => {
            decoder.wrong_type(node, "true or false");
            None
        }
    }
}

/// An integer in a range.
pub(crate) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&mut Decoder<'_>, &Node) -> Option<T>
where
    T: Copy + PartialOrd + std::fmt::Display + TryFrom<i64>,
{
    move |decoder, node| {
        let outside = |decoder: &mut Decoder<'_>, number: String| {
            let hint = format!("use {} to {}", range.start(), range.end());
            decoder.bad_value(&node.span, format!("{number} is out of range"), hint);
            None
        };
        match &node.value {
            Value::Integer(number) => match T::try_from(*number) {
                Ok(fitting) if range.contains(&fitting) => Some(fitting),
                _ => outside(decoder, number.to_string()),
            },
            Value::Float(number) if number.abs() > 9e18 => outside(decoder, "the number".to_owned()),
            Value::String(text) if text.parse::<i64>().is_ok() => {
                decoder.wrong_type_hint(node, "an integer", format!("write {text} without quotes"));
                None
            }
            _ => {
                decoder.wrong_type(node, "an integer");
                None
            }
        }
    }
}

/// A TCP port.
pub(crate) fn port(decoder: &mut Decoder<'_>, node: &Node) -> Option<u16> {
    integer(1..=u16::MAX)(decoder, node)
}

/// A number in a range.
pub(crate) fn number(range: RangeInclusive<f64>) -> impl Fn(&mut Decoder<'_>, &Node) -> Option<f64> {
    move |decoder, node| {
        let number = match node.value {
            #[expect(clippy::cast_precision_loss, reason = "ranges are far below the loss")]
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => {
                decoder.wrong_type(node, "a number");
                return None;
            }
        };
        if range.contains(&number) {
            return Some(number);
        }
        let hint = format!("use {} to {}", range.start(), range.end());
        decoder.bad_value(&node.span, format!("{number} is out of range"), hint);
        None
    }
}

/// A duration as text with units, such as `"1m30s"`.
pub(crate) fn duration(decoder: &mut Decoder<'_>, node: &Node) -> Option<Duration> {
    match &node.value {
        Value::String(text) => match duration::parse(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                let hint = "write it with units, such as \"500ms\", \"30s\", \"1m30s\" or \"2h\"";
                decoder.bad_value(&node.span, format!("{text:?} is not a duration, {error}"), hint);
                None
            }
        },
        Value::Integer(number) => {
            let hint = format!("write it with a unit, such as \"{number}s\"");
            decoder.wrong_type_hint(node, "a duration as text", hint);
            None
        }
        _ => {
            decoder.wrong_type(node, "a duration as text");
            None
        }
    }
}

/// A duration above zero.
pub(crate) fn some_time(decoder: &mut Decoder<'_>, node: &Node) -> Option<Duration> {
    let span = duration(decoder, node)?;
    if span.is_zero() {
        decoder.bad_value(&node.span, "must be longer than zero", "write it such as \"30s\"");
        return None;
    }
    Some(span)
}

/// One of some words.
pub(crate) fn choice<T: Copy>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(&mut Decoder<'_>, &Node) -> Option<T> {
    move |decoder, node| {
        let text = text(decoder, node)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            decoder.bad_choice(&node.span, &text, &words);
        }
        found
    }
}

/// A list of what `read` reads. One wrong item spoils the list, but every wrong item is reported.
pub(crate) fn list<'a, 'n, T>(
    read: impl Fn(&mut Decoder<'a>, &'n Node) -> Option<T>,
) -> impl FnOnce(&mut Decoder<'a>, &'n Node) -> Option<Vec<T>> {
    move |decoder, node| {
        let Value::Array(items) = &node.value else {
            match &node.value {
                Value::String(text) => decoder.wrong_type_hint(node, "a list", format!("write [{text:?}]")),
                _ => decoder.wrong_type(node, "a list"),
            }
            return None;
        };
        let read: Vec<Option<T>> = items.iter().map(|item| read(decoder, item)).collect();
        read.into_iter().collect()
    }
}

/// A table from names to what `read` reads.
pub(crate) fn map<'a, 'n, T>(
    read: impl Fn(&mut Decoder<'a>, &'n Node) -> Option<T>,
) -> impl FnOnce(&mut Decoder<'a>, &'n Node) -> Option<BTreeMap<String, T>> {
    move |decoder, node| {
        let Some(table) = node.as_table() else {
            decoder.wrong_type(node, "a table");
            return None;
        };
        let entries = table.entries.iter();
        let read: Vec<Option<(String, T)>> = entries
            .map(|entry| {
                decoder.under(&entry.key, |decoder| Some((entry.key.clone(), read(decoder, &entry.node)?)))
            })
            .collect();
        read.into_iter().collect()
    }
}
