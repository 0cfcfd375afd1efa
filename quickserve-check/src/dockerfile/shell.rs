//! Shell commands, as far as rules need them: which programs are run, with which words.
//!
//! No shell: expansions stay as they are written, and what is inside `$(...)` counts as commands of its own.

use std::ops::Range;

use super::instruction::{Word, unquoted};
use super::lines::Joined;

/// Words that stand before a command and are none.
const KEYWORDS: [&str; 11] = ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "sudo"];

/// The commands of a text, each as its words without quotes; variables set for one are left out.
pub(crate) fn commands(text: &Joined) -> Vec<Vec<Word>> {
    let mut commands: Vec<Vec<Word>> = vec![Vec::new()];
    for token in tokens(text.as_str()) {
        match token {
            Token::Separator(_) => commands.push(Vec::new()),
            Token::Word(range) => {
                let written = &text.as_str()[range.clone()];
                let Some(command) = commands.last_mut() else { continue };
                let sets_variable = command.is_empty() && is_assignment(written);
                let is_keyword = command.is_empty() && KEYWORDS.contains(&written);
                if !sets_variable && !is_keyword {
                    command.push(Word { text: unquoted(written), span: text.span(&range) });
                }
            }
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

/// Whether it is `NAME=value`.
pub(crate) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
    })
}

/// The operator at the end of a text after which a shell expects a command.
pub(crate) fn dangling(text: &str) -> Option<Range<usize>> {
    let ends_line = |token: &&Token| matches!(token, Token::Separator(at) if text[*at..].starts_with('\n'));
    let tokens = tokens(text);
    let mut last = tokens.iter().rev().skip_while(ends_line);
    let Some(Token::Separator(end)) = last.next() else { return None };
    let start = match last.next() {
        Some(Token::Separator(before)) if before + 1 == *end => *before,
        _ => *end,
    };
    matches!(&text[start..=*end], "&&" | "||" | "|").then_some(start..*end + 1)
}

enum Token {
    Word(Range<usize>),
    /// Where its character is, of one byte.
    Separator(usize),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut begin: Option<usize> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if let Some(open) = quote {
            match char {
                '\\' if open == '"' => drop(chars.next()),
                _ if char == open => quote = None,
                _ => {}
            }
            continue;
        }
        match char {
            '\\' if chars.peek().is_some_and(|(_, next)| matches!(next, '\n' | '\r')) => {
                tokens.extend(begin.take().map(|begin| Token::Word(begin..at)));
                chars.next();
            }
            '\\' => {
                begin.get_or_insert(at);
                chars.next();
            }
            '"' | '\'' => {
                begin.get_or_insert(at);
                quote = Some(char);
            }
            // A comment, to the end of its line.
            '#' if begin.is_none() => while chars.next_if(|(_, next)| *next != '\n').is_some() {},
            // `2>&1` and `&>file` separate nothing.
            '&' if text[..at].ends_with('>') || text[at + 1..].starts_with('>') => {
                begin.get_or_insert(at);
            }
            '&' | '|' | ';' | '\n' | '(' | ')' | '`' => {
                tokens.extend(begin.take().map(|begin| Token::Word(begin..at)));
                tokens.push(Token::Separator(at));
            }
            char if char.is_whitespace() => tokens.extend(begin.take().map(|begin| Token::Word(begin..at))),
            _ => {
                begin.get_or_insert(at);
            }
        }
    }
    tokens.extend(begin.map(|begin| Token::Word(begin..text.len())));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let words =
            |command: Vec<Word>| command.into_iter().map(|word| word.text).collect::<Vec<_>>().join("|");
        commands(&Joined::new(text, 0)).into_iter().map(words).collect()
    }

    #[test]
    fn commands_are_split_where_a_shell_does() {
        assert_eq!(
            split("A=1 npm ci && echo \"a && b\" | cat; make"),
            ["npm|ci", "echo|a && b", "cat", "make"]
        );
        assert_eq!(split("set -e\nif ! a; then b; fi # c d\n"), ["set|-e", "a", "b", "fi"]);
        assert_eq!(split("a 2>&1 \\\n  b\\ c 'd\"'"), ["a|2>&1|b c|d\""]);
        assert_eq!(split("x $(npm bin)/y"), ["x|$", "npm|bin", "/y"]);
        assert_eq!(split(" ;; && \n"), [""; 0]);
    }
}
