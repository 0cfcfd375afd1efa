//! From the tree to types, collecting every problem on the way.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::document::{Entry, Node, Source, Span, Table, Value, did_you_mean, is_misspelt};
use crate::finding::{Code, Finding};
use crate::workload::substitute;

/// The codes under which a kind of document reports its problems.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codes {
    pub(crate) unknown: Code,
    pub(crate) kind: Code,
    pub(crate) value: Code,
    pub(crate) incomplete: Code,
    /// Keys that people write where they are unknown, and where they belong.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

/// Collects what is wrong while values are read.
///
/// A reader of a value is any `Fn(&mut Decoder, &Node) -> Option<T>`; `None` means that the problem has been
/// reported.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) codes: Codes,
    /// The key whose value is being read.
    key: Option<String>,
    /// Values for `${NAME}`; without them strings are taken as they are.
    pub(crate) placeholders: Option<&'a BTreeMap<String, String>>,
    /// Whether this is a part that others complete: what is missing or contradictory does not count.
    pub(crate) partial: bool,
    findings: Vec<Finding>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(source: Source<'a>, codes: Codes) -> Self {
        Self { source, codes, key: None, placeholders: None, partial: false, findings: Vec::new() }
    }

    /// All problems, in the order of the text, each once.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        in_order(self.findings)
    }

    /// The problems since they were taken last.
    pub(crate) fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(crate) fn extend(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
    }

    /// A problem at a place; the caller may add a hint.
    pub(crate) fn report(&mut self, code: Code, span: &Span, message: impl Into<String>) -> &mut Finding {
        let finding = self.source.error(code, span, message);
        self.findings.push_mut(finding)
    }

    /// Reads the value of a key: problems name it.
    pub(crate) fn under<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.key.replace(key.to_owned());
        let value = read(self);
        self.key = outer;
        value
    }

    /// The key whose value is being read, as a problem begins with it.
    fn named(&self, message: impl Display) -> String {
        match &self.key {
            Some(key) => format!("`{key}`: {message}"),
            None => message.to_string(),
        }
    }

    /// A value that cannot be meant.
    pub(crate) fn bad_value(&mut self, span: &Span, message: impl Display, hint: impl Into<String>) {
        let message = self.named(message);
        self.report(self.codes.value, span, message).hint = Some(hint.into());
    }

    /// A word that is none of those that there are.
    pub(crate) fn bad_choice(&mut self, span: &Span, word: &str, choices: &[&str]) {
        let message = format!("`{}` cannot be {word:?}", self.key.as_deref().unwrap_or("it"));
        self.report(self.codes.value, span, message).hint = did_you_mean(word, choices);
    }

    /// Something missing, or contradicting something else.
    pub(crate) fn incomplete(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        if !self.partial {
            self.report(self.codes.incomplete, span, message).hint = Some(hint.into());
        }
    }

    /// A value of another type.
    pub(crate) fn wrong_type(&mut self, node: &Node, expected: &str) {
        let message = self.named(format!("expected {expected}, found {}", node.kind()));
        self.report(self.codes.kind, &node.span, message);
    }

    /// A value of another type, and what to write instead.
    pub(crate) fn wrong_type_hint(&mut self, node: &Node, expected: &str, hint: impl Into<String>) {
        let message = self.named(format!("expected {expected}, found {}", node.kind()));
        self.report(self.codes.kind, &node.span, message).hint = Some(hint.into());
    }

    /// The string with its placeholders filled in. An unknown one is a problem, or stays for a shell.
    pub(crate) fn fill(&mut self, span: &Span, text: &str, shell: bool) -> Option<String> {
        let Some(values) = self.placeholders else { return Some(text.to_owned()) };
        if shell {
            return Some(substitute::for_shell(text, values));
        }
        match substitute::strict(text, values) {
            Ok(filled) => Some(filled),
            Err(unresolved) => {
                let names: Vec<&str> = values.keys().map(String::as_str).collect();
                for placeholder in unresolved {
                    let place = self.find_inside(span, &placeholder.text);
                    let mut finding =
                        self.source.error(Code::UNRESOLVED_PLACEHOLDER, &place, placeholder.to_string());
                    finding.hint =
                        Some(match crate::document::nearest(&placeholder.name, names.iter().copied()) {
                            Some(near) => format!("did you mean ${{{near}}}"),
                            None => placeholder.hint(),
                        });
                    self.findings.push(finding);
                }
                None
            }
        }
    }

    /// The place of a part of a string as it is written in the text; the whole where it is written otherwise.
    fn find_inside(&self, span: &Span, part: &str) -> Span {
        let written = self.source.text.get(span.clone()).unwrap_or_default();
        written.find(part).map_or(span.clone(), |at| span.start + at..span.start + at + part.len())
    }
}

/// Problems in the order of the text, each once.
pub(crate) fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    let position = |finding: &Finding| finding.place().map(|place| (place.line, place.column));
    findings.sort_by_key(position);
    let mut unique: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        if !unique.contains(&finding) {
            unique.push(finding);
        }
    }
    unique
}

/// The fields of a table. Every key that is asked for is a known one; [`finish`](Fields::finish) reports the
/// others.
#[derive(Debug)]
pub(crate) struct Fields<'d, 'a, 't> {
    pub(crate) decoder: &'d mut Decoder<'a>,
    table: &'t Table,
    /// The table's own place, for what is missing in it.
    pub(crate) span: Span,
    known: Vec<&'static str>,
    missing: Vec<Missing>,
}

/// A key that must be there and is not.
#[derive(Debug)]
struct Missing {
    key: &'static str,
    message: String,
    hint: String,
}

impl<'d, 'a, 't> Fields<'d, 'a, 't> {
    pub(crate) fn new(decoder: &'d mut Decoder<'a>, table: &'t Table, span: Span) -> Self {
        Self { decoder, table, span, known: Vec::new(), missing: Vec::new() }
    }

    /// A key and its value as they stand. JSON's null is the same as absent.
    pub(crate) fn entry(&mut self, key: &'static str) -> Option<&'t Entry> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table.entry(key).filter(|entry| entry.node.value != Value::Null)
    }

    /// The value of a key, if it is there and right.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Decoder<'a>, &'t Node) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        self.decoder.under(key, |decoder| read(decoder, &entry.node))
    }

    /// The value of a key that must be there.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        hint: &str,
        read: impl FnOnce(&mut Decoder<'a>, &'t Node) -> Option<T>,
    ) -> Option<T> {
        if let Some(entry) = self.entry(key) {
            return self.decoder.under(key, |decoder| read(decoder, &entry.node));
        }
        self.missing(key, format!("`{key}` is missing"), hint);
        None
    }

    /// Notes that a key must be there and is not.
    pub(crate) fn missing(&mut self, key: &'static str, message: String, hint: &str) {
        self.missing.push(Missing { key, message, hint: hint.to_owned() });
    }

    /// Declares keys that belong here and are read elsewhere.
    pub(crate) fn known(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// Reports what is missing, and every key that nobody asked for.
    pub(crate) fn finish(mut self) {
        self.settle();
        self.report_unknown();
    }

    /// Reports the keys that are missing, unless an unknown key must be the one: then that is the problem.
    pub(crate) fn settle(&mut self) {
        let (table, known) = (self.table, &self.known);
        let unknown = || table.entries.iter().filter(|entry| !known.contains(&entry.key.as_str()));
        self.missing.retain(|missing| !unknown().any(|entry| is_misspelt(&entry.key, missing.key)));
        self.report_missing();
    }

    /// Reports the keys that are missing.
    pub(crate) fn report_missing(&mut self) {
        for Missing { message, hint, .. } in std::mem::take(&mut self.missing) {
            self.decoder.incomplete(&self.span, message, hint);
        }
    }

    /// Reports every key that nobody asked for.
    fn report_unknown(&mut self) {
        for entry in &self.table.entries {
            if !self.known.contains(&entry.key.as_str()) {
                let message = format!("unknown key `{}`", entry.key);
                let Codes { unknown, elsewhere, .. } = self.decoder.codes;
                let belongs = elsewhere.iter().find(|(key, _)| *key == entry.key);
                let hint = match belongs {
                    Some((_, hint)) => Some((*hint).to_owned()),
                    None => did_you_mean(&entry.key, &self.known),
                };
                self.decoder.report(unknown, &entry.key_span, message).hint = hint;
            }
        }
    }

    /// The keys that are known so far.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.known.clone()
    }

    /// The keys that nobody asked for, for documents where they are no error.
    pub(crate) fn rest(&self) -> impl Iterator<Item = &'t Entry> {
        self.table.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str()))
    }
}

/// Reads a table with `read` and reports its unknown keys.
pub(crate) fn table<'a, T>(
    read: impl FnOnce(&mut Fields<'_, 'a, '_>) -> Option<T>,
) -> impl FnOnce(&mut Decoder<'a>, &Node) -> Option<T> {
    move |decoder, node| {
        let Some(table) = node.as_table() else {
            decoder.wrong_type(node, "a table");
            return None;
        };
        let mut fields = Fields::new(decoder, table, node.span.clone());
        let value = read(&mut fields);
        fields.finish();
        value
    }
}
