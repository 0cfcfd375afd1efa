//! A text and its file name: from byte offsets to places and excerpts.

use crate::document::Span;
use crate::finding::{Code, Excerpt, Finding, Place, Severity};

/// How many characters of a line an excerpt shows at most.
const EXCERPT: usize = 96;

/// A text with the name of its file.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What findings call the file.
    pub file: &'a str,
    /// All of it.
    pub text: &'a str,
}

impl Source<'_> {
    /// An error at that place, with its line.
    pub fn error(&self, code: Code, span: &Span, message: impl Into<String>) -> Finding {
        self.finding(code, Severity::Error, span, message)
    }

    /// A warning at that place, with its line.
    pub fn warning(&self, code: Code, span: &Span, message: impl Into<String>) -> Finding {
        self.finding(code, Severity::Warning, span, message)
    }

    /// Something worth knowing at that place, with its line.
    pub fn info(&self, code: Code, span: &Span, message: impl Into<String>) -> Finding {
        self.finding(code, Severity::Info, span, message)
    }

    fn finding(&self, code: Code, severity: Severity, span: &Span, message: impl Into<String>) -> Finding {
        Finding::new(code, severity, message).at(self.place(span.start)).with_excerpt(self.excerpt(span))
    }

    /// The place of a byte. An offset past the end is the end.
    pub fn place(&self, offset: usize) -> Place {
        let (line_start, offset) = self.line_start(offset);
        let line = 1 + self.text[..line_start].matches('\n').count();
        let column = 1 + self.text[line_start..offset].chars().count();
        Place { file: self.file.to_owned(), line, column }
    }

    /// The line around a span, fit for a terminal.
    pub fn excerpt(&self, span: &Span) -> Excerpt {
        let (line_start, offset) = self.line_start(span.start);
        let line = self.text[line_start..].split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let all: Vec<char> = line.chars().collect();
        let start = self.text[line_start..offset].chars().count().min(all.len());
        let end = self.text.floor_char_boundary(span.end.min(self.text.len())).max(offset);
        let width = self.text[offset..end].lines().next().unwrap_or_default().chars().count();
        let cut = start.saturating_sub(EXCERPT / 2).min(all.len().saturating_sub(EXCERPT));
        let shown = &all[cut..all.len().min(cut + EXCERPT)];
        let text: String = shown.iter().map(|&char| if is_harmless(char) { char } else { ' ' }).collect();
        let start = start - cut;
        Excerpt { text: text.trim_end().to_owned(), start, width: width.min(shown.len() - start).max(1) }
    }

    fn line_start(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset.min(self.text.len()));
        (self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1), offset)
    }
}

/// Whether a terminal shows it as one character and nothing else: no escape, no change of direction.
fn is_harmless(char: char) -> bool {
    !char.is_control()
        && !matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, span: Span) -> Excerpt {
        Source { file: "f", text }.excerpt(&span)
    }

    #[test]
    fn places_count_characters_from_one() {
        let source = Source { file: "f", text: "é = 1\r\nb = é2\n" };
        assert_eq!(source.place(0).to_string(), "f:1:1");
        assert_eq!(source.place(3).to_string(), "f:1:3");
        assert_eq!(source.place(14).to_string(), "f:2:6");
        assert_eq!(source.place(999).to_string(), "f:3:1");
    }

    #[test]
    fn an_offset_inside_a_character_is_its_beginning() {
        assert_eq!(Source { file: "f", text: "é" }.place(1).column, 1);
    }

    #[test]
    fn an_excerpt_is_the_line_without_anything_a_terminal_obeys() {
        let expected = Excerpt { text: "a =  [31m\"x\"".into(), start: 4, width: 8 };
        assert_eq!(excerpt("first\na = \u{1b}[31m\"x\"\r\nlast", 10..18), expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}HERE{}", "a".repeat(400), "b".repeat(400));
        let cut = excerpt(&line, 400..404);
        assert_eq!(cut.text.chars().count(), EXCERPT);
        assert_eq!(cut.text.chars().skip(cut.start).take(cut.width).collect::<String>(), "HERE");
    }

    #[test]
    fn a_span_of_several_lines_is_underlined_on_its_first() {
        assert_eq!(excerpt("a = [\n1\n]", 4..9), Excerpt { text: "a = [".into(), start: 4, width: 1 });
        assert_eq!(excerpt("", 0..0), Excerpt { text: String::new(), start: 0, width: 1 });
    }
}
