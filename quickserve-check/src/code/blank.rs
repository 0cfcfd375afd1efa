//! A text without its comments, with everything else where it was.

/// How a language writes comments and strings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Syntax {
    /// What begins a comment that ends with the line.
    pub(super) line: &'static [&'static str],
    /// Whether such a comment needs a blank before it, as in shells.
    pub(super) spaced: bool,
    /// What begins and ends a comment of several lines.
    pub(super) block: Option<(&'static str, &'static str)>,
    /// Strings, the longer beginnings first.
    pub(super) quotes: &'static [Quote],
    /// Whether there are expressions between slashes.
    pub(super) slashes: bool,
}

/// A kind of string.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quote {
    open: &'static str,
    close: &'static str,
    escapes: bool,
    lines: bool,
    /// Whether one that stands alone is a comment, as Python's documentation.
    comment: bool,
}

impl Quote {
    /// A string of one line, with escapes.
    pub(super) const fn line(quote: &'static str) -> Self {
        Self { open: quote, close: quote, escapes: true, lines: false, comment: false }
    }

    /// A string of several lines, with escapes.
    pub(super) const fn lines(quote: &'static str) -> Self {
        Self { lines: true, ..Self::line(quote) }
    }

    /// A string of several lines that is a comment where it stands alone.
    pub(super) const fn doc(quote: &'static str) -> Self {
        Self { comment: true, ..Self::lines(quote) }
    }

    /// A string in which nothing but its end means anything.
    pub(super) const fn raw(open: &'static str, close: &'static str) -> Self {
        Self { open, close, escapes: false, lines: true, comment: false }
    }
}

/// The strings of most languages.
pub(super) const C_QUOTES: &[Quote] = &[Quote::line("\""), Quote::line("'")];

/// C's comments and strings, which many languages share.
pub(super) const C_LIKE: Syntax =
    Syntax { line: &["//"], spaced: false, block: Some(("/*", "*/")), quotes: C_QUOTES, slashes: false };

/// A comment from a hash to the end of the line.
pub(super) const HASH: Syntax =
    Syntax { line: &["#"], spaced: true, block: None, quotes: C_QUOTES, slashes: false };

/// Puts blanks in the place of comments. Offsets and lines stay as they are.
pub(super) fn blank(text: &str, syntax: &Syntax) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let begins = beginnings(syntax);
    let (mut line, mut slashes) = (Line::default(), Slashes::default());
    let mut at = 0;
    while at < bytes.len() {
        if !begins[usize::from(bytes[at])] {
            at += 1;
        } else if let Some(end) = comment(bytes, at, syntax) {
            fill(&mut out[at..end]);
            at = end;
        } else if let Some((quote, end)) = string(bytes, at, syntax) {
            if quote.comment && line.is_blank_before(bytes, at) {
                fill(&mut out[at..end]);
            }
            at = end;
        } else if syntax.slashes && bytes[at] == b'/' {
            at = slashes.past(bytes, at);
        } else {
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// The bytes with which a comment or a string may begin: few, so that nearly all others are passed at once.
fn beginnings(syntax: &Syntax) -> [bool; 256] {
    let mut begins = [false; 256];
    let openings = syntax.line.iter().copied().chain(syntax.block.map(|(open, _)| open));
    for opening in openings.chain(syntax.quotes.iter().map(|quote| quote.open)) {
        if let Some(first) = opening.bytes().next() {
            begins[usize::from(first)] = true;
        }
    }
    begins[usize::from(b'/')] |= syntax.slashes;
    begins
}

fn fill(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
}

/// Where the comment that begins there ends.
fn comment(bytes: &[u8], at: usize, syntax: &Syntax) -> Option<usize> {
    let rest = &bytes[at..];
    if let Some((open, close)) = syntax.block
        && rest.starts_with(open.as_bytes())
    {
        let body = at + open.len();
        return Some(find(bytes, body, close).map_or(bytes.len(), |end| end + close.len()));
    }
    let is_spaced = !syntax.spaced || at == 0 || bytes[at - 1].is_ascii_whitespace() || bytes[at - 1] == b';';
    let is_line = is_spaced && syntax.line.iter().any(|line| rest.starts_with(line.as_bytes()));
    is_line.then(|| find(bytes, at, "\n").unwrap_or(bytes.len()))
}

/// The string that begins there, and where it ends.
fn string<'s>(bytes: &[u8], at: usize, syntax: &'s Syntax) -> Option<(&'s Quote, usize)> {
    let quote = syntax.quotes.iter().find(|quote| bytes[at..].starts_with(quote.open.as_bytes()))?;
    let close = quote.close.as_bytes();
    let mut end = at + quote.open.len();
    while end < bytes.len() {
        let may_close = close.first().is_none_or(|first| *first == bytes[end]);
        if may_close && bytes[end..].starts_with(close) {
            return Some((quote, end + quote.close.len()));
        }
        match bytes[end] {
            b'\\' if quote.escapes => end += 2,
            // One that was never closed ends with its line, and spoils nothing more.
            b'\n' if !quote.lines => break,
            _ => end += 1,
        }
    }
    Some((quote, end.min(bytes.len())))
}

/// The line of a place that only moves on: each byte is looked at once.
#[derive(Default)]
struct Line {
    seen: usize,
    has_text: bool,
}

impl Line {
    /// Whether there are only blanks between the beginning of its line and a place.
    fn is_blank_before(&mut self, bytes: &[u8], at: usize) -> bool {
        for byte in &bytes[self.seen..at] {
            self.has_text = *byte != b'\n' && (self.has_text || !byte.is_ascii_whitespace());
        }
        self.seen = at;
        !self.has_text
    }
}

/// Expressions between slashes.
#[derive(Default)]
struct Slashes {
    /// How many slashes of a line seemed to begin one that did not end there, and where that line ends.
    unended: usize,
    line_end: usize,
}

/// So many slashes of one line that end nothing: the others divide. To look for each end takes time squared.
const UNENDED: usize = 16;

impl Slashes {
    /// Past an expression between slashes, or past a slash that divides.
    fn past(&mut self, bytes: &[u8], at: usize) -> usize {
        if at >= self.line_end {
            self.unended = 0;
        }
        if self.unended >= UNENDED {
            return at + 1;
        }
        match expression(bytes, at) {
            Ok(end) => end,
            Err(line_end) => {
                (self.unended, self.line_end) = (self.unended + 1, line_end);
                at + 1
            }
        }
    }
}

/// Where the expression ends that begins there, or right after a slash that divides; as an error the end of the line in
/// which it does not end.
fn expression(bytes: &[u8], at: usize) -> Result<usize, usize> {
    let before = bytes[..at].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
    let begins = before.is_none_or(|byte| b"(,=:[!&|?{};+-*%<>~^\n\r".contains(byte));
    if !begins {
        return Ok(at + 1);
    }
    let mut in_class = false;
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'\n' {
        match bytes[end] {
            b'\\' => end += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => return Ok(end + 1),
            _ => {}
        }
        end += 1;
    }
    Err(end)
}

fn find(bytes: &[u8], from: usize, what: &str) -> Option<usize> {
    let what = what.as_bytes();
    let first = what.first()?;
    let mut from = from;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| byte == first) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::language::SYNTAXES;
    use super::*;

    const SCRIPT: Syntax = Syntax { slashes: true, ..C_LIKE };

    #[test]
    fn comments_go_and_strings_stay() {
        assert_eq!(blank("a // b\nc", &C_LIKE), "a     \nc");
        assert_eq!(blank("a /* b\n*/ c", &C_LIKE), "a     \n   c");
        assert_eq!(blank("\"http://x\" // b", &C_LIKE), "\"http://x\"     ");
        assert_eq!(blank("'it\\'s // ' //", &C_LIKE), "'it\\'s // '   ");
        assert_eq!(blank("x = /[/'\"]/ // b", &SCRIPT), "x = /[/'\"]/     ");
        assert_eq!(blank("a / b // c", &SCRIPT), "a / b     ");
        assert_eq!(blank("${x#y} # z", &HASH), "${x#y}    ");
    }

    #[test]
    fn a_string_that_is_never_closed_ends_with_its_line() {
        assert_eq!(blank("'a\nb // c", &C_LIKE), "'a\nb     ");
        assert_eq!(blank("a /* b", &C_LIKE), "a     ");
        assert_eq!(blank("'\\", &C_LIKE), "'\\");
    }

    #[test]
    fn no_line_takes_time_squared() {
        const PYTHON: Syntax = Syntax { quotes: &[Quote::doc("\"\"\""), Quote::line("\"")], ..HASH };
        let plain = "x = 'y' ".repeat(15_000);
        let base = || drop(blank(&plain, &SCRIPT));
        for hostile in [
            "\"\"\"\"\"\"".repeat(20_000),
            format!("{}{}", " ".repeat(60_000), "\"\"\"\"\"\"".repeat(10_000)),
        ] {
            crate::effort::assert_at_most(40, base, || drop(blank(&hostile, &PYTHON)));
        }
        let hostile = "(/[".repeat(40_000);
        crate::effort::assert_at_most(80, base, || drop(blank(&hostile, &SCRIPT)));
    }

    proptest! {
        #[test]
        fn every_text_keeps_its_length_and_lines(text in r#"[a-z /*#"'`\\\n\[\]é$={}]{0,80}"#) {
            for syntax in SYNTAXES {
                let blanked = blank(&text, syntax);
                prop_assert_eq!(blanked.len(), text.len());
                prop_assert_eq!(blanked.matches('\n').count(), text.matches('\n').count());
            }
        }
    }
}
