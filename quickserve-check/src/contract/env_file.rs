//! A dotenv-shaped file, read strictly: each assignment with its place, and every line that is none.

use std::fmt;

use quickserve_core::document::Span;
use secrecy::{ExposeSecret as _, SecretString};

/// A value that is never shown.
#[derive(Clone)]
pub struct Value(SecretString);

impl Value {
    fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// Whether nothing but blanks is in it.
    pub fn is_empty(&self) -> bool {
        self.text().trim().is_empty()
    }

    pub(super) fn text(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// `NAME=value`, and what comments say of it.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) name_span: Span,
    pub(super) value: Value,
    /// The comment right above, its lines joined.
    pub(super) above: Comment,
    /// The comment behind the value.
    pub(super) behind: Comment,
}

/// A comment without its marks, and where it begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Comment {
    pub(super) text: String,
    pub(super) start: usize,
}

/// A line that is neither assignment nor comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) message: &'static str,
}

/// Reads a text to its end, whatever is in it.
pub(super) fn parse(text: &str) -> (Vec<Assignment>, Vec<Fault>) {
    let (mut assignments, mut faults) = (Vec::new(), Vec::new());
    let mut above = Comment::default();
    let mut at = 0;
    while at < text.len() {
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        let line = &text[at..end];
        let start = at + (line.len() - line.trim_start().len());
        let trimmed = line.trim();
        let next = end + 1;
        if trimmed.is_empty() {
            above = Comment::default();
        } else if let Some(comment) = trimmed.strip_prefix('#') {
            if above.text.is_empty() {
                above.start = start;
            } else {
                above.text.push('\n');
            }
            above.text.push_str(comment.trim_start_matches('#').trim());
        } else {
            match assignment(text, start, end, std::mem::take(&mut above)) {
                Ok((assignment, after)) => {
                    assignments.push(assignment);
                    at = after.max(next);
                    continue;
                }
                Err(message) => faults.push(Fault { span: start..start + trimmed.len(), message }),
            }
        }
        at = next;
    }
    (assignments, faults)
}

/// The assignment that begins there, and where the line after it begins.
fn assignment(text: &str, start: usize, end: usize, above: Comment) -> Result<(Assignment, usize), &'static str> {
    let line = &text[start..end];
    let export = line.strip_prefix("export ").map_or(0, |rest| line.len() - rest.trim_start().len());
    let line = &line[export..];
    let (name, _) = line.split_once('=').ok_or("this line gives no variable a value: NAME=value")?;
    let name_span = start + export..start + export + name.trim_end().len();
    let value_at = start + export + name.len() + 1;
    let name = name.trim_end();
    if !is_name(name) {
        return Err("a name has letters, digits and underscores, and begins with no digit");
    }
    let blanks = text[value_at..end].len() - text[value_at..end].trim_start().len();
    let from = value_at + blanks;
    let (value, after) = match text[from..end].chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => {
            let close = closing(&text[from + 1..], quote).ok_or("the quote of this value is never closed")?;
            (&text[from + 1..from + 1 + close], from + close + 2)
        }
        _ => {
            let rest = text[from..end].trim_end_matches('\r');
            // A comment begins behind a blank; `#` within a word is a part of it.
            let comment = if rest.starts_with('#') { Some(0) } else { rest.find(" #").or_else(|| rest.find("\t#")) };
            let value = &rest[..comment.unwrap_or(rest.len())];
            (value.trim_end(), from + value.len())
        }
    };
    let line_end = text[after..].find('\n').map_or(text.len(), |length| after + length);
    let rest = &text[after..line_end];
    let behind = match rest.trim().strip_prefix('#') {
        Some(comment) => {
            let start = after + (rest.len() - rest.trim_start().len());
            Comment { text: comment.trim_start_matches('#').trim().to_owned(), start }
        }
        None => Comment::default(),
    };
    let assignment = Assignment { name: name.to_owned(), name_span, value: Value::new(value), above, behind };
    Ok((assignment, line_end + 1))
}

/// Where a quoted value ends. In double quotes a backslash hides what follows.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut hidden = false;
    text.char_indices().find_map(|(at, char)| {
        let ends = char == quote && !hidden;
        hidden = quote == '"' && char == '\\' && !hidden;
        ends.then_some(at)
    })
}

/// POSIX, "Environment Variable Definition": letters, digits and underscores, not beginning with a digit.
pub(super) fn is_name(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let (assignments, faults) = parse(text);
        assert_eq!(faults, [], "{text:?}");
        assignments.into_iter().map(|one| (one.name, one.value.text().to_owned())).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_are_read_bare_and_quoted_over_lines_too() {
        let text = "A=1\r\nexport B = two words  # said\nC=\"x # y\\\" z\" # behind\nD='1\n2'\nE=a#b\nF=\n#G=1\nH=#none";
        let expected = pairs(&[
            ("A", "1"),
            ("B", "two words"),
            ("C", "x # y\\\" z"),
            ("D", "1\n2"),
            ("E", "a#b"),
            ("F", ""),
            ("H", ""),
        ]);
        assert_eq!(read(text), expected);
    }

    #[test]
    fn comments_belong_to_the_line_below_or_before_them() {
        let (assignments, _) = parse("# far\n\n# near\n#  by\nA=1 # behind\nB=2\n");
        assert_eq!(assignments[0].above.text, "near\nby");
        assert_eq!(assignments[0].behind.text, "behind");
        assert_eq!(assignments[1].above.text, "");
    }

    #[test]
    fn a_line_that_is_none_is_told_and_the_rest_is_read() {
        let (assignments, faults) = parse("A: 1\n2B=1\nC='open\nD=1\n");
        assert_eq!(assignments.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["D"]);
        assert_eq!(faults.iter().map(|fault| fault.span.start).collect::<Vec<_>>(), [0, 5, 10]);
    }

    #[test]
    fn values_are_never_shown() {
        let (assignments, _) = parse("A=s3cret");
        assert!(!format!("{assignments:?}").contains("s3cret"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".*", lines in "([A-Z]{1,3}|=|\"|'|#| |\n|\r\n|export |é|\\\\)*") {
            let _ = parse(&text);
            let _ = parse(&lines);
        }
    }
}
