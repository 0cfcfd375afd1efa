//! YAML into the tree of `quickserve_core::document`, every value with its place.
//!
//! `saphyr-parser` reads the syntax; this makes a tree of its events. A document is read as GitHub reads it: the
//! first one of the file, YAML 1.2 (`on` is a name, not a truth), anchors and aliases; and, as compose files use them, merge
//! keys. What an alias stands for is copied, and the copies are counted, so that a few lines cannot become gigabytes.

use std::collections::{BTreeMap, BTreeSet};

use quickserve_core::document::{Entry, Node, Source, Span, Table, Value};
use quickserve_core::finding::{Code, Finding};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marks};

/// How deep lists and tables may be in each other.
const DEPTH: usize = 64;

/// What is said of a deeper one.
const TOO_DEEP: &str = "lists and tables in each other deeper than 64";

/// How many values a document may have, those behind aliases counted each time.
const VALUES: usize = 200_000;

/// How many keys that are there twice are told one by one.
const TOLD: usize = 50;

/// How many bytes of text may be copied, for what has an anchor and for each alias of it.
const COPIED: usize = 32 << 20;

/// What is said of more.
const TOO_MUCH: &str = "aliases that stand for more than 32 MiB";

/// Reads the first document, or says what is wrong with it: the first syntax error, or every key that is there
/// twice. An empty document is null.
///
/// # Errors
/// Findings with the code.
pub(crate) fn parse(source: Source<'_>, code: Code) -> Result<Node, Vec<Finding>> {
    let offsets = Offsets::of(source.text);
    let mut builder = Builder::new(source, code);
    for event in Parser::new_from_str(source.text) {
        let (event, marks) = match event {
            Ok(event) => event,
            Err(error) => return Err(vec![syntax_error(source, code, &offsets, &error)]),
        };
        let span = offsets.span(&marks);
        if let Err(problem) = builder.take(event, span.clone()) {
            return Err(vec![source.error(code, &span, problem.to_owned())]);
        }
        if builder.root.is_some() {
            break;
        }
    }
    builder.tell_rest();
    if builder.findings.is_empty() {
        Ok(builder.root.unwrap_or(Node { span: 0..0, value: Value::Null }))
    } else {
        Err(builder.findings)
    }
}

fn syntax_error(source: Source<'_>, code: Code, offsets: &Offsets, error: &ScanError) -> Finding {
    let start = offsets.byte(error.marker().index());
    let finding = source.error(code, &(start..start + 1), format!("not YAML: {}", error.info()));
    let line = source.place(start).line;
    let indented_by_tab = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    if source.text.lines().nth(line - 1).is_some_and(indented_by_tab) {
        finding.with_hint("indent with spaces; YAML allows no tabs there")
    } else {
        finding
    }
}

/// The parser counts characters, a tree bytes.
struct Offsets {
    /// The offset of each character; none where all are of one byte.
    bytes: Option<Vec<usize>>,
    len: usize,
}

impl Offsets {
    fn of(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self { bytes, len: text.len() }
    }

    fn byte(&self, index: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(index).copied().unwrap_or(self.len),
            None => index.min(self.len),
        }
    }

    fn span(&self, marks: &Marks) -> Span {
        let start = self.byte(marks.start.index());
        start..self.byte(marks.end.index()).max(start)
    }
}

/// A list or table that is not closed yet.
struct Open {
    start: usize,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    /// With the key whose value comes next.
    Table(Vec<Entry>, Option<(String, Span)>, BTreeSet<String>),
}

struct Builder<'a> {
    source: Source<'a>,
    code: Code,
    open: Vec<Open>,
    /// What each stands for, and how large that is.
    anchors: BTreeMap<usize, (Node, Size)>,
    values: usize,
    copied: usize,
    root: Option<Node>,
    findings: Vec<Finding>,
    /// How many more keys are there twice, and where the last of them is.
    more: usize,
    last: Span,
}

impl<'a> Builder<'a> {
    fn new(source: Source<'a>, code: Code) -> Self {
        let (open, anchors, findings) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { source, code, open, anchors, values: 0, copied: 0, root: None, findings, more: 0, last: 0..0 }
    }

    /// Says of a key that it is there twice. To find a place takes as long as the text before it, so that not all are told.
    fn tell_twice(&mut self, key: &str, span: &Span) {
        if self.findings.len() == TOLD {
            self.more += 1;
            self.last = span.clone();
            return;
        }
        let finding = self.source.error(self.code, span, format!("key {key:?} is there twice"));
        self.findings.push(finding.with_hint("remove one of them"));
    }

    fn tell_rest(&mut self) {
        if self.more > 0 {
            let message = format!("{} more keys are there twice, the last one here", self.more);
            let finding = self.source.error(self.code, &self.last, message);
            self.findings.push(finding.with_hint("remove one of each two"));
        }
    }

    /// Takes the next event, or says why the document is none that is read.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), &'static str> {
        match event {
            Event::SequenceStart(anchor, _) => self.begin(span.start, anchor, Kind::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.begin(span.start, anchor, Kind::Table(Vec::new(), None, BTreeSet::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.kind {
                    Kind::List(items) => Value::Array(items),
                    Kind::Table(entries, ..) => Value::Table(Table { entries: merged(entries) }),
                };
                let end = span.start.max(open.start);
                self.put(Node { span: open.start..end, value }, open.anchor)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = if style == ScalarStyle::Plain && tag.is_none() {
                    plain(&text)
                } else {
                    Value::String(text.into_owned())
                };
                self.put(Node { span: self.trimmed(span, style), value }, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err("an alias inside of what it stands for");
                };
                // Looked at before it is copied.
                self.values += size.values;
                self.copied += size.bytes;
                if self.open.len() + size.depth > DEPTH {
                    return Err(TOO_DEEP);
                }
                if self.copied > COPIED {
                    return Err(TOO_MUCH);
                }
                let node = Node { span, value: node.value.clone() };
                self.put(node, 0)
            }
            Event::DocumentEnd if self.root.is_none() => {
                self.root = Some(Node { span, value: Value::Null });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The parser counts blanks behind a quoted text to it.
    fn trimmed(&self, span: Span, style: ScalarStyle) -> Span {
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return span;
        }
        let written = self.source.text.get(span.clone()).unwrap_or_default().trim_end();
        span.start..span.start + written.len()
    }

    fn begin(&mut self, start: usize, anchor: usize, kind: Kind) -> Result<(), &'static str> {
        self.open.push(Open { start, anchor, kind });
        if self.open.len() > DEPTH { Err(TOO_DEEP) } else { Ok(()) }
    }

    /// Puts a whole value where it belongs.
    fn put(&mut self, node: Node, anchor: usize) -> Result<(), &'static str> {
        self.values += 1;
        if self.values > VALUES {
            return Err("more than 200,000 values");
        }
        if anchor > 0 {
            let size = measure(&node);
            self.values += size.values;
            self.copied += size.bytes;
            if self.copied > COPIED {
                return Err(TOO_MUCH);
            }
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.kind {
            Kind::List(items) => items.push(node),
            Kind::Table(_, key @ None, _) => {
                let text = self.source.text.get(node.span.clone()).unwrap_or_default();
                let name = node.as_str().map_or_else(|| text.trim().to_owned(), str::to_owned);
                *key = Some((name, node.span));
            }
            Kind::Table(entries, key, known) => {
                let Some((key, key_span)) = key.take() else { return Ok(()) };
                if known.insert(key.clone()) {
                    entries.push(Entry { key, key_span, node });
                } else {
                    self.tell_twice(&key, &key_span);
                }
            }
        }
        Ok(())
    }
}

/// The key whose tables are merged into the one that it stands in. yaml.org, "Merge Key Language-Independent Type".
const MERGE: &str = "<<";

/// Puts what merge keys bring behind what the table says itself, which wins; of several tables, an earlier one does.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    let is_merge = |entry: &Entry| {
        let is_table = |node: &Node| node.as_table().is_some();
        let brings = is_table(&entry.node)
            || matches!(&entry.node.value, Value::Array(items) if items.iter().all(is_table));
        entry.key == MERGE && brings
    };
    let (merges, mut own): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_merge);
    let mut known: BTreeSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
    for merge in merges {
        let nodes = match merge.node.value {
            Value::Array(items) => items,
            value => vec![Node { span: merge.node.span, value }],
        };
        for node in nodes {
            let Value::Table(table) = node.value else { continue };
            own.extend(table.entries.into_iter().filter(|entry| known.insert(entry.key.clone())));
        }
    }
    own
}

/// How large a value is.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// How many values it holds.
    values: usize,
    /// How deep they are in each other.
    depth: usize,
    /// How long their texts and keys are, in bytes.
    bytes: usize,
}

fn measure(node: &Node) -> Size {
    let outer = Size { values: 1, depth: 1, bytes: 0 };
    let together = |size: Size, inner: Size| Size {
        values: size.values + inner.values,
        depth: size.depth.max(inner.depth + 1),
        bytes: size.bytes + inner.bytes,
    };
    match &node.value {
        Value::Array(items) => items.iter().map(measure).fold(outer, together),
        Value::Table(table) => {
            let size = table.entries.iter().map(|entry| measure(&entry.node)).fold(outer, together);
            Size {
                bytes: size.bytes + table.entries.iter().map(|entry| entry.key.len()).sum::<usize>(),
                ..size
            }
        }
        Value::String(text) | Value::Datetime(text) => Size { values: 1, depth: 0, bytes: text.len() },
        _ => Size { values: 1, depth: 0, bytes: 0 },
    }
}

/// A scalar without quotes, by the core schema of YAML 1.2.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Boolean(true),
        "false" | "False" | "FALSE" => return Value::Boolean(false),
        _ => {}
    }
    let numeric = text.starts_with(|char: char| char.is_ascii_digit() || "+-.".contains(char));
    if numeric && let Ok(number) = text.parse::<i64>() {
        return Value::Integer(number);
    }
    // Names such as `infinity` are floats to Rust and texts to YAML.
    if numeric
        && text.contains(|char: char| char.is_ascii_digit())
        && let Ok(number) = text.parse::<f64>()
    {
        return Value::Float(number);
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Vec<String>> {
        parse(Source { file: "f.yml", text }, Code::WORKFLOW_SYNTAX)
            .map_err(|findings| findings.iter().map(ToString::to_string).collect())
    }

    fn written<'t>(text: &'t str, node: &Node) -> &'t str {
        text.get(node.span.clone()).expect("a span of the text")
    }

    #[test]
    fn every_value_knows_its_place() {
        let text =
            "# é\non: push\r\njobs:\r\n  a: { n: 1, t: 'x y' }\r\n  b:\r\n    - true\r\n    - \"q\"\r\n";
        let tree = read(text).expect("a tree");
        assert_eq!(written(text, tree.get("on").expect("on")), "push");
        let jobs = tree.get("jobs").expect("jobs");
        let a = jobs.get("a").expect("a");
        assert_eq!(a.get("n").expect("n").value, Value::Integer(1));
        assert_eq!(written(text, a.get("t").expect("t")), "'x y'");
        let items = jobs.get("b").expect("b").items();
        assert_eq!(items[0].value, Value::Boolean(true));
        assert_eq!(written(text, &items[1]), "\"q\"");
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_place() {
        let findings = read("a: 1\nb: [1, 2\nc: 3\n").expect_err("wrong");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("QS801 not YAML: "), "{findings:?}");
        let findings = read("a:\n\t- b\n").expect_err("wrong");
        assert!(findings[0].contains("indent with spaces"), "{findings:?}");
    }

    #[test]
    fn a_key_that_is_there_twice_is_an_error() {
        let findings = read("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n").expect_err("wrong");
        assert_eq!(findings.len(), 2);
        assert!(findings[0].contains("key \"c\" is there twice"), "{findings:?}");
    }

    #[test]
    fn an_alias_is_what_its_anchor_was() {
        let tree = read("a: &x { k: v }\nb: *x\n").expect("a tree");
        let b = tree.get("b").expect("b");
        assert_eq!(b.get("k").and_then(Node::as_str), Some("v"));
    }

    #[test]
    fn a_merge_key_brings_what_the_table_does_not_say() {
        let text = "a: &a { k: 1, l: 1 }\nb: &b { l: 2, m: 2 }\nc: { <<: [*a, *b], k: 3 }\nd:\n  <<: *b\n  n: 4\ne: { <<: x }\n";
        let tree = read(text).expect("a tree");
        let of = |table: &str, key: &str| {
            tree.get(table).and_then(|table| table.get(key)).map(|node| written(text, node).to_owned())
        };
        assert_eq!(["k", "l", "m"].map(|key| of("c", key).expect("a value")), ["3", "1", "2"]);
        assert_eq!(["l", "m", "n"].map(|key| of("d", key).expect("a value")), ["2", "2", "4"]);
        assert_eq!(of("c", "<<"), None);
        assert_eq!(of("e", "<<").as_deref(), Some("x"), "no table to merge");
    }

    #[test]
    fn a_billion_laughs_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let before = n - 1;
            let list = format!("*a{before}, ").repeat(9);
            text.extend([format!("a{n}: &a{n} [{list}*a{before}]\n")]);
        }
        let findings = read(&text).expect_err("too much");
        assert!(findings[0].contains("more than 200,000 values"), "{findings:?}");
    }

    #[test]
    fn a_long_text_behind_many_aliases_is_refused() {
        let text = format!("a: &a {}\nb: [{}*a]\n", "x".repeat(1 << 20), "*a, ".repeat(8000));
        let findings = read(&text).expect_err("too much");
        assert!(findings[0].contains("more than 32 MiB"), "{findings:?}");
        let few = format!("a: &a {}\nb: [{}*a]\n", "x".repeat(1 << 10), "*a, ".repeat(800));
        assert!(read(&few).is_ok());
    }

    #[test]
    fn many_keys_take_as_long_as_many_items() {
        let lines = |line: &dyn Fn(u32) -> String| (0..20_000).map(line).collect::<Vec<_>>().concat();
        let keys = lines(&|n| format!("k{n}: 1\n"));
        let items = lines(&|n| format!("- k{n}\n"));
        crate::effort::assert_at_most(20, || drop(read(&items)), || drop(read(&keys)));
    }

    #[test]
    fn many_keys_that_are_there_twice_are_told_together() {
        let lines =
            |from: u32| (from..from + 15_000).map(|n| format!("k{n}: 1\n")).collect::<Vec<_>>().concat();
        let (keys, others) = (lines(0), lines(15_000));
        let (once, twice) = (format!("{keys}{others}"), keys.repeat(2));
        crate::effort::assert_at_most(10, || drop(read(&once)), || drop(read(&twice)));
        let findings = read(&twice).expect_err("twice");
        assert_eq!(findings.len(), TOLD + 1);
        assert!(findings[TOLD].contains("14950 more keys are there twice"), "{}", findings[TOLD]);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let findings = read(&"- ".repeat(3000)).expect_err("too deep");
        assert!(findings[0].contains("deeper than 64"), "{findings:?}");
        let list = |inner: &str| format!("{}{inner}{}", "[".repeat(40), "]".repeat(40));
        let findings = read(&format!("a: &a {}\nb: {}\n", list("x"), list("*a"))).expect_err("too deep");
        assert!(findings[0].contains("deeper than 64"), "{findings:?}");
    }

    #[test]
    fn only_the_first_document_counts_and_none_is_null() {
        assert_eq!(read("a: 1\n---\na: [\n").expect("a tree").get("a").expect("a").value, Value::Integer(1));
        assert_eq!(read("").expect("null").value, Value::Null);
        assert_eq!(read("# nothing\n").expect("null").value, Value::Null);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
        #[test]
        fn no_text_makes_it_panic(text in "([a-c:|>&*\\-\\[\\]{}\"'#!? \\t\\r\\né]|: |- |\\n  ){0,60}") {
            let _ = read(&text);
        }
    }
}
