//! A text that another holds in disguise: the block of a `run: |` is indented, a quoted one has escapes.

use quickserve_core::document::{Node, Span};

/// Where each part of a text stands in the file that holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// An offset of the text, and that of the file from there on. None where both are the same.
    segments: Vec<(usize, usize)>,
}

impl Mapping {
    /// Of a text that is the file itself.
    pub(crate) fn identity() -> Self {
        Self::default()
    }

    /// Of a YAML scalar with the text that it means.
    ///
    /// Whatever its style, its visible characters stand in the file in the same order, with blanks, quotes and
    /// backslashes between them. So they are found one after the other.
    pub(crate) fn of_scalar(file: &str, node: &Node, text: &str) -> Self {
        let written = file.get(node.span.clone()).unwrap_or_default();
        let mut at = node.span.start;
        if written.starts_with(['|', '>']) {
            // The header of a block may have a comment.
            at += written.find('\n').map_or(0, |newline| newline + 1);
        }
        let end = node.span.end.min(file.len());
        let mut segments: Vec<(usize, usize)> = vec![(0, at)];
        let mut last = (0, at);
        // What stands between is passed once, however many characters are not found behind it.
        let mut between = Between::at(file, at, end);
        for (offset, char) in text.char_indices().filter(|(_, char)| !char.is_whitespace()) {
            let found = between.find(file, char);
            if !file.get(found..).is_some_and(|rest| rest.starts_with(char)) {
                continue;
            }
            if found - last.1 != offset - last.0 {
                segments.push((offset, found));
            }
            last = (offset, found);
            between = Between::at(file, found + char.len_utf8(), end);
        }
        Self { segments }
    }

    /// Where an offset of the text is in the file.
    pub(crate) fn offset(&self, offset: usize) -> usize {
        let after = self.segments.partition_point(|(start, _)| *start <= offset);
        match after.checked_sub(1).and_then(|index| self.segments.get(index)) {
            Some((start, file)) => file + (offset - start),
            None => offset,
        }
    }

    /// Where a span of the text is in the file.
    pub(crate) fn span(&self, span: &Span) -> Span {
        let start = self.offset(span.start);
        let end = if span.end > span.start { self.offset(span.end - 1) + 1 } else { start };
        start..end.max(start)
    }
}

/// The blanks, quotes and backslashes from a place of a file on.
struct Between {
    start: usize,
    /// Where the next other character is, or the end.
    end: usize,
    /// The quotes that are not among them.
    without: Vec<char>,
}

impl Between {
    fn at(file: &str, start: usize, end: usize) -> Self {
        let rest = file.get(start..end).unwrap_or_default();
        let length = rest.find(|next: char| !is_between(next)).unwrap_or(0);
        Self { start, end: start + length, without: Vec::new() }
    }

    /// Where a character is: among these, or right behind them as far as one can tell.
    fn find(&mut self, file: &str, char: char) -> usize {
        if !is_between(char) || self.without.contains(&char) {
            return self.end;
        }
        let among = file.get(self.start..self.end).unwrap_or_default();
        if let Some(at) = among.find(char) {
            return self.start + at;
        }
        self.without.push(char);
        self.end
    }
}

/// Whether it may stand between two characters of a scalar without being one.
fn is_between(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\\' | '\'' | '"')
}

#[cfg(test)]
mod tests {
    use quickserve_core::document::Source;
    use quickserve_core::finding::Code;

    #[test]
    fn what_stands_between_is_passed_once() {
        let of = |file: &str, text: &str| {
            let node = Node { span: 0..file.len(), value: quickserve_core::document::Value::Null };
            Mapping::of_scalar(file, &node, text)
        };
        let text = "x\"".repeat(5_000);
        let blanks = format!("{}y", " ".repeat(20_000));
        crate::effort::assert_at_most(40, || drop(of(&text, &text)), || drop(of(&blanks, &text)));
    }

    use super::*;
    use crate::workflow::yaml;

    /// What the file has where the text has this word.
    fn place(file: &str, word: &str) -> String {
        let source = Source { file: "f", text: file };
        let tree = yaml::parse(source, Code::WORKFLOW_SYNTAX).expect("a tree");
        let node = tree.get("run").expect("a run");
        let text = node.as_str().expect("a text");
        let at = text.find(word).expect("the word");
        let span = Mapping::of_scalar(file, node, text).span(&(at..at + word.len()));
        assert_eq!(file.get(span.clone()), Some(word));
        let place = source.place(span.start);
        format!("{}:{}", place.line, place.column)
    }

    #[test]
    fn a_place_in_a_literal_block_is_exact() {
        assert_eq!(place("run: | # docker push\n  é one\n\n    docker push\n", "docker push"), "4:5");
        assert_eq!(place("run: |-\r\n  one\r\n  two\r\n", "two"), "3:3");
        assert_eq!(place("run: |2\n    two\n", "two"), "2:5");
    }

    #[test]
    fn a_place_in_any_other_style_is_exact() {
        assert_eq!(place("run: npm test", "test"), "1:10");
        assert_eq!(place("run: npm\n  test", "test"), "2:3");
        assert_eq!(place("run: >\n  aws ecs\n  update\n\n  last\n", "last"), "5:3");
        assert_eq!(place("run: 'it''s all'", "all"), "1:13");
        assert_eq!(place("run: \"a \\\"b\\\" c\"", "c"), "1:15");
    }
}
