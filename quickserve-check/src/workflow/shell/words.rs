//! From characters to words: quotes, variables, substitutions.

use super::reader::{Reader, is_name};
use super::{BlockKind, Reference, Word};

/// How deep substitutions are read into each other; what is deeper is skipped.
const DEPTH: usize = 24;

/// How long a variable in braces may be, in bytes. Without a bound, braces that nobody closes take time squared.
const LENGTH: usize = 4096;

/// How many braces of a text may stay open until no more than so many bytes are looked at for the end of one.
const UNCLOSED: usize = 100;
const SHORT: usize = 64;

impl Reader<'_> {
    /// Reads a word; at least one character.
    pub(super) fn word(&mut self, block: usize) -> Word {
        let start = self.at;
        let mut word = Word::default();
        while let Some(char) = self.peek() {
            match char {
                '\\' => self.escape(&mut word.text),
                '\'' => {
                    word.quoted = true;
                    self.at += 1;
                    let length = self.rest().find('\'').unwrap_or(self.rest().len());
                    word.text.push_str(&self.rest()[..length]);
                    self.at += length + 1;
                }
                '"' => {
                    word.quoted = true;
                    self.at += 1;
                    self.double_quoted(&mut word, block);
                }
                '$' => self.dollar(&mut word, false, block),
                '`' => self.backticks(&mut word, block),
                '(' if word.text.ends_with('=') => {
                    // The list of an array.
                    let from = self.at;
                    self.skip_parentheses();
                    word.text.push_str(&self.text[from..self.at.min(self.end)]);
                }
                _ if char.is_ascii_whitespace() || ";&|<>()".contains(char) => break,
                _ => {
                    word.text.push(char);
                    self.bump();
                }
            }
        }
        if self.at == start {
            self.bump();
        }
        self.at = self.at.min(self.end);
        self.written(start, word)
    }

    /// The word with its place. Where it has no text yet, it is what is written there.
    pub(super) fn written(&self, start: usize, mut word: Word) -> Word {
        if word.text.is_empty() && !word.quoted {
            self.text.get(start..self.at).unwrap_or_default().clone_into(&mut word.text);
        }
        word.span = self.mapping.span(&(start..self.at.max(start)));
        word
    }

    /// A backslash outside of quotes: it ends no line and quotes one character.
    fn escape(&mut self, text: &mut String) {
        self.at += 1;
        for line_end in ["\n", "\r\n"] {
            if self.rest().starts_with(line_end) {
                self.at += line_end.len();
                return;
            }
        }
        text.extend(self.peek());
        self.bump();
    }

    fn double_quoted(&mut self, word: &mut Word, block: usize) {
        while let Some(char) = self.peek() {
            match char {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => self.escape(&mut word.text),
                '$' => self.dollar(word, true, block),
                '`' => self.backticks(word, block),
                _ => {
                    word.text.push(char);
                    self.bump();
                }
            }
        }
    }

    /// A variable, a substitution, arithmetic, an expression of a workflow, or a dollar.
    fn dollar(&mut self, word: &mut Word, quoted: bool, block: usize) {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("${{") {
            let near = &rest[..rest.floor_char_boundary(LENGTH.min(rest.len()))];
            self.at += near.find("}}").map_or(3, |end| end + 2);
        } else if rest.starts_with("$((") {
            self.at += 1;
            self.skip_parentheses();
        } else if rest.starts_with("$(") {
            self.at += 2;
            self.substitution(block);
        } else {
            let mut unclosed = self.unclosed;
            self.at += variable_length(rest, &mut unclosed);
            self.unclosed = unclosed;
            let found = references(&self.text[start..self.at], start, quoted);
            word.references.extend(found.into_iter().map(|found| self.mapped(found)));
        }
        self.at = self.at.min(self.end);
        word.text.push_str(&self.text[start..self.at]);
    }

    /// Reads the commands of a substitution, behind its opening parenthesis.
    pub(super) fn substitution(&mut self, block: usize) {
        if self.depth >= DEPTH {
            return;
        }
        self.depth += 1;
        let inner = self.block(block, BlockKind::Substitution);
        self.list(inner, true);
        self.depth -= 1;
    }

    fn backticks(&mut self, word: &mut Word, block: usize) {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        let closing = self.rest().find(|char| {
            let closes = char == '`' && !escaped;
            escaped = char == '\\' && !escaped;
            closes
        });
        let closing = self.at + closing.unwrap_or(self.rest().len());
        if self.depth < DEPTH {
            let end = std::mem::replace(&mut self.end, closing);
            self.depth += 1;
            let inner = self.block(block, BlockKind::Substitution);
            self.list(inner, false);
            self.depth -= 1;
            self.end = end;
        }
        self.at = (closing + 1).min(self.end);
        word.text.push_str(&self.text[start..self.at]);
    }

    pub(super) fn mapped(&self, mut reference: Reference) -> Reference {
        reference.span = self.mapping.span(&reference.span);
        reference
    }
}

/// How long the variable is that a text begins with; one where it is a mere dollar.
fn variable_length(text: &str, unclosed: &mut usize) -> usize {
    let Some(inner) = text.strip_prefix("${") else {
        let name = text[1..].find(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        let name = name.unwrap_or(text.len() - 1);
        let special = text[1..].starts_with(|char: char| "@*#?!-$".contains(char) || char.is_ascii_digit());
        return if special { 2 } else { 1 + name };
    };
    let mut depth = 1_usize;
    let mut escaped = false;
    let length = if *unclosed < UNCLOSED { LENGTH } else { SHORT };
    for (at, char) in inner.char_indices().take(length) {
        match char {
            _ if escaped => {}
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        escaped = char == '\\' && !escaped;
        if depth == 0 {
            return 2 + at + 1;
        }
    }
    *unclosed += 1;
    2
}

/// The variables that a text names, those inside of others' defaults too.
pub(super) fn references(text: &str, offset: usize, quoted: bool) -> Vec<Reference> {
    let mut found = Vec::new();
    let (mut unclosed, mut effort) = (0, LENGTH + text.len() * 32);
    for (at, _) in text.match_indices('$') {
        let rest = &text[at..];
        if rest.starts_with("${{") {
            continue;
        }
        let whole = &rest[..variable_length(rest, &mut unclosed)];
        // Each default is read again with what is around it: nobody writes them this deep.
        let Some(left) = effort.checked_sub(whole.len()) else { break };
        effort = left;
        let inner = whole.strip_prefix("${").map(|inner| inner.strip_suffix('}').unwrap_or(inner));
        let inner = inner.unwrap_or(&whole[1..]).trim_start_matches(['#', '!']);
        let end = inner.find(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        let (name, operator) = inner.split_at(end.unwrap_or(inner.len()));
        let is_argument = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        if is_name(name) || is_argument {
            let (name, operator) = (name.to_owned(), operator.to_owned());
            let span = offset + at..offset + at + whole.len();
            found.push(Reference { name, operator, quoted, span });
        }
    }
    found
}
