//! The lines of a Dockerfile as Docker joins them: parser directives, comments, continuation, here-documents.
//!
//! Docker's reference, "Parser directives", "Format" and "Here-Documents"; what it leaves open is as the parser of
//! `BuildKit` does it: comments and empty lines inside a continued instruction are left out, and a doubled escape continues
//! nothing.

use std::ops::Range;

use quickserve_core::document::Span;

use super::Fault;

/// A text joined from parts of the file, which still knows where each of its bytes was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    text: String,
    /// Where a part begins: in `text`, and in the file. In order.
    parts: Vec<(usize, usize)>,
}

impl Joined {
    /// A part of the file as it is.
    pub(crate) fn new(text: &str, offset: usize) -> Self {
        let mut joined = Self::default();
        joined.push(text, offset);
        joined
    }

    fn push(&mut self, text: &str, offset: usize) {
        self.parts.push((self.text.len(), offset));
        self.text.push_str(text);
    }

    /// The joined text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where that part of the joined text is in the file.
    pub fn span(&self, range: &Range<usize>) -> Span {
        let start = self.offset(range.start);
        if range.is_empty() { start..start } else { start..self.offset(range.end - 1) + 1 }
    }

    /// All of it in the file.
    pub fn whole(&self) -> Span {
        self.span(&(0..self.text.len()))
    }

    /// That part, which still knows its place. `range` lies on characters.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let mut slice = Self::default();
        let first = self.parts.partition_point(|part| part.0 <= range.start).saturating_sub(1);
        for (index, &(begin, _)) in self.parts.iter().enumerate().skip(first) {
            let end = self.parts.get(index + 1).map_or(self.text.len(), |next| next.0);
            let (begin, end) = (begin.max(range.start), end.min(range.end));
            if begin >= range.end {
                break;
            }
            slice.push(&self.text[begin..end], self.offset(begin));
        }
        if slice.parts.is_empty() {
            slice.push("", self.offset(range.start));
        }
        slice
    }

    /// That part without the blanks around it.
    pub(crate) fn trimmed(&self, range: Range<usize>) -> Self {
        let text = &self.text[range.clone()];
        let start = range.start + (text.len() - text.trim_start().len());
        self.slice(start..start + text.trim().len())
    }

    fn offset(&self, at: usize) -> usize {
        let index = self.parts.partition_point(|part| part.0 <= at).saturating_sub(1);
        self.parts.get(index).map_or(at, |(begin, offset)| offset + (at - begin))
    }
}

/// A text that is written into the Dockerfile, as `RUN <<EOF` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HereDocument {
    /// The text.
    pub body: Joined,
}

/// An instruction with all its lines.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) text: Joined,
    pub(crate) documents: Vec<HereDocument>,
}

/// What the comments at the beginning say to the parser.
#[derive(Debug, Clone)]
pub(crate) struct Directives {
    /// The frontend that reads the file, where it names one.
    pub(crate) syntax: Option<String>,
    pub(crate) escape: char,
}

/// Splits the text into instructions.
pub(crate) fn split(text: &str, faults: &mut Vec<Fault>) -> (Directives, Vec<Line>) {
    let mut reader = Reader { text, offset: 0 };
    let directives = directives(&mut reader, faults);
    let mut lines = Vec::new();
    while let Some((line, offset)) = reader.next() {
        let content = line.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let mut joined = Joined::default();
        let (mut part, mut goes_on) = without_escape(content, directives.escape);
        joined.push(part, offset + (line.len() - content.len()));
        while goes_on && let Some((line, offset)) = reader.next() {
            let content = line.trim_start();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            (part, goes_on) = without_escape(line, directives.escape);
            joined.push(part, offset);
        }
        let documents = here_documents(&joined, &mut reader, faults);
        lines.push(Line { text: joined, documents });
    }
    (directives, lines)
}

/// Lines of the file, without their ends.
#[derive(Clone)]
struct Reader<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Iterator for Reader<'a> {
    type Item = (&'a str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        let offset = self.offset;
        self.offset += length;
        Some((rest[..length].trim_end_matches(['\r', '\n']), offset))
    }
}

fn directives(reader: &mut Reader<'_>, faults: &mut Vec<Fault>) -> Directives {
    let mut found = Directives { syntax: None, escape: '\\' };
    let mut seen: Vec<String> = Vec::new();
    loop {
        let mut ahead = reader.clone();
        let Some((line, offset)) = ahead.next() else { break };
        let directive = line.trim_start().strip_prefix('#').and_then(|rest| rest.split_once('='));
        let Some((name, value)) = directive.map(|(name, value)| (name.trim(), value.trim())) else { break };
        let span = offset..offset + line.len();
        let name = name.to_ascii_lowercase();
        match &*name {
            "syntax" => found.syntax = Some(value.to_owned()),
            "check" => {}
            "escape" if value == "\\" || value == "`" => found.escape = if value == "`" { '`' } else { '\\' },
            "escape" => faults.push(Fault::new(span.clone(), "escape is neither \\ nor `")),
            // The first comment ends them, and one that nobody knows is a comment.
            _ => break,
        }
        if seen.contains(&name) {
            faults.push(Fault::new(span, format!("the directive {name} is there twice")));
        }
        seen.push(name);
        *reader = ahead;
    }
    found
}

/// The line without the escape at its end, and whether it had one.
fn without_escape(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(part) if !part.ends_with(escape) => (part, true),
        _ => (line, false),
    }
}

fn here_documents(line: &Joined, reader: &mut Reader<'_>, faults: &mut Vec<Fault>) -> Vec<HereDocument> {
    let mut words = line.as_str().split_ascii_whitespace().map(str::to_ascii_uppercase);
    let first = words.next().filter(|word| word != "ONBUILD").or_else(|| words.next());
    if !matches!(first.as_deref(), Some("RUN" | "COPY" | "ADD")) {
        return Vec::new();
    }
    let mut documents = Vec::new();
    for (marker, range) in markers(line.as_str()) {
        let mut body = Joined::default();
        let mut ended = false;
        for (text, offset) in reader.by_ref() {
            let text_or_mark = if marker.strips_tabs { text.trim_start_matches('\t') } else { text };
            if text_or_mark == marker.name {
                ended = true;
                break;
            }
            body.push(text, offset);
            // The end of the line is in the file too, one byte further or two.
            body.push("\n", offset + text.len());
        }
        if !ended {
            let fault =
                Fault::new(line.span(&range), format!("the here-document {} never ends", marker.name));
            faults.push(fault.with_hint(format!("write {} on a line of its own after it", marker.name)));
        }
        documents.push(HereDocument { body });
    }
    documents
}

struct Marker {
    name: String,
    strips_tabs: bool,
}

/// Every `<<NAME` that is a word of its own and not in quotes.
fn markers(line: &str) -> Vec<(Marker, Range<usize>)> {
    let mut found = Vec::new();
    for range in super::parse::words(line) {
        let word = &line[range.clone()];
        let Some(rest) = word.trim_start_matches(|char: char| char.is_ascii_digit()).strip_prefix("<<")
        else {
            continue;
        };
        let (rest, strips_tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
        let name: String = rest.chars().filter(|char| !matches!(char, '"' | '\'' | '\\')).collect();
        if !name.is_empty() && !name.contains('<') {
            found.push((Marker { name, strips_tabs }, range));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let (_, lines) = split(text, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        lines.iter().map(|line| line.text.as_str().to_owned()).collect()
    }

    #[test]
    fn a_line_goes_on_after_an_escape_past_comments_and_empty_lines() {
        assert_eq!(joined("RUN a \\\n  # why\n\n  && b\nRUN c"), ["RUN a   && b", "RUN c"]);
        assert_eq!(joined("RUN a \\  \r\n b\r\n"), ["RUN a  b"]);
        assert_eq!(joined("RUN a \\\\\nRUN b"), ["RUN a \\\\", "RUN b"]);
        assert_eq!(joined("RUN a \\"), ["RUN a "]);
    }

    #[test]
    fn the_escape_may_be_another() {
        let text = "# syntax=docker/dockerfile:1\n# escape=`\nRUN a `\n b\nCOPY c C:\\\n";
        assert_eq!(joined(text), ["RUN a  b", "COPY c C:\\"]);
        assert_eq!(joined("# a comment\n# escape=`\nRUN a `\nRUN b"), ["RUN a `", "RUN b"]);
    }

    #[test]
    fn a_place_in_a_joined_line_is_one_of_the_file() {
        let text = "RUN a \\\n  # why\n  && bcd";
        let (_, lines) = split(text, &mut Vec::new());
        let line = &lines[0].text;
        let at = line.as_str().find("bcd").expect("the word");
        let span = line.span(&(at..at + 3));
        assert_eq!(&text[span], "bcd");
        let slice = line.slice(4..at + 2);
        assert_eq!((slice.as_str(), &text[slice.span(&(6..8))]), ("a   && bc", " b"));
        assert_eq!(line.trimmed(3..line.as_str().len()).as_str(), "a   && bcd");
    }

    #[test]
    fn here_documents_are_taken_up_to_their_mark() {
        let text = "RUN <<EOF cat <<-'B' && echo \"<<C\"\nset -e\n# kept\nEOF\n\tb\n\tB\nUSER a\n";
        let (_, lines) = split(text, &mut Vec::new());
        let bodies: Vec<_> = lines[0].documents.iter().map(|document| document.body.as_str()).collect();
        assert_eq!(bodies, ["set -e\n# kept\n", "\tb\n"]);
        assert_eq!(lines[1].text.as_str(), "USER a");
        let mut faults = Vec::new();
        split("RUN <<EOF\na", &mut faults);
        assert_eq!(faults[0].message, "the here-document EOF never ends");
        assert_eq!(joined("RUN cat <<<word $((1 << 2))\nUSER a").len(), 2);
    }
}
