//! Readings of variables in a text.

use std::ops::Range;

use quickserve_core::document::Source;
use quickserve_core::finding::{Excerpt, Place};

use super::language::Language;
use crate::secrets;

/// A place where the code reads a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The variable.
    pub name: String,
    /// Where.
    pub place: Place,
    /// The line, where it holds no secret.
    pub excerpt: Option<Excerpt>,
    /// In which language.
    pub language: Language,
    /// What the code does where the variable is absent.
    pub need: Need,
}

impl Usage {
    /// Whether an annotation of Java reads it.
    pub(crate) fn is_annotation(&self) -> bool {
        self.excerpt.as_ref().is_some_and(|excerpt| excerpt.text.contains("@Value("))
    }
}

/// What the code does where a variable is absent. The later ones need it more surely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// It goes on without, or with another value.
    Defaulted,
    /// Nobody knows: it reads it bare.
    Required,
    /// It says so and ends.
    Validated,
}

/// A reading before it has a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) need: Need,
}

impl Hit {
    pub(super) fn new(name: regex::Match<'_>, need: Need) -> Self {
        Self { name: name.as_str().to_owned(), span: name.range(), need }
    }
}

/// How many readings of one file are told at most.
const MOST: usize = 500;

/// The readings of variables in a text of that language, in order. `file` is what places call it.
pub fn usages(language: Language, file: &str, text: &str) -> Vec<Usage> {
    if is_generated(text) {
        return Vec::new();
    }
    let mut hits = language.hits(text);
    hits.retain(|hit| is_name(&hit.name));
    // What is said of one place first is surest; a stable sort keeps it so.
    hits.sort_by_key(|hit| hit.span.start);
    hits.dedup_by_key(|hit| hit.span.start);
    hits.truncate(MOST);
    let source = Source { file, text };
    // Lines are counted on from hit to hit: to count each from the beginning takes long where there are many.
    let (mut counted, mut number) = (0, 1);
    let usage = |hit: Hit| {
        let start = hit.span.start;
        let line = line(text, start);
        number += text[counted..start].matches('\n').count();
        counted = start;
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let column = 1 + text[line_start..start].chars().count();
        let place = Place { file: file.to_owned(), line: number, column };
        let excerpt = secrets::find(line).is_empty().then(|| source.excerpt(&hit.span));
        Usage { place, name: hit.name, excerpt, language, need: hit.need }
    };
    hits.into_iter().map(usage).collect()
}

/// Whether a variable can have that name. `npm_package_version` and its like are npm's own.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.len() > 1
        && !name.starts_with("npm_")
}

/// Whether a program wrote it, by its long lines.
fn is_generated(text: &str) -> bool {
    text.len() > 32 << 10 && text.len() / 400 > text.matches('\n').count()
}

fn line(text: &str, offset: usize) -> &str {
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].lines().next().unwrap_or_default()
}
