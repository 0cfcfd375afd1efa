//! Reading text in the shape of a dotenv file: `NAME=value`, comments, quotes, values of several lines.
//!
//! Readers of such files differ. What declares a variable is what `quickserve_core::config::variables` takes for a
//! declaration, so that both agree on a contract. A file of values is held to what its reader, the crate `dotenvy`,
//! accepts: there a line that reads otherwise than it looks ends a deployment.

use std::str::Lines;

use quickserve_core::finding::Place;

use super::value::Value;

/// What the file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It declares variables: values are examples, and no reader will see them.
    Contract,
    /// It gives values.
    Values,
}

/// What a file says, in its order.
#[derive(Debug, Default)]
pub(crate) struct EnvFile {
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) problems: Vec<Problem>,
}

/// `NAME=value`, with its comments.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    /// Where the name is.
    pub(crate) place: Place,
    pub(crate) value: Value,
    /// The lines right above.
    pub(crate) above: Vec<Comment>,
    pub(crate) behind: Option<Comment>,
}

/// One line of a comment, without its `#`.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// A line that cannot be read. The line itself may hold a secret, and is not told.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) place: Place,
    pub(crate) what: &'static str,
    pub(crate) hint: &'static str,
}

/// What is wrong with a value, and what to do about it.
type Wrong = (&'static str, &'static str);

const NO_ASSIGNMENT: Wrong = ("the line is not NAME=value", "write NAME=value, or begin the line with #");
const NO_NAME: Wrong = (
    "the line does not begin with a name of a variable",
    "a name has letters, digits and _ only, and begins with no digit",
);
const NOT_CLOSED: Wrong =
    ("the quote of the value is not closed", "close the quote, or write the value without");
const BEHIND_QUOTE: Wrong =
    ("there is text behind the closing quote", "put all of the value in quotes, or a # before a comment");
const BLANKS: Wrong = ("the value has blanks and no quotes", "put the value in single quotes");
const STRAY_QUOTE: Wrong =
    ("the value has a quote in the middle that is not closed", "put all of the value in quotes");
const ESCAPE: Wrong = (
    "the value has a backslash that escapes nothing",
    "put the value in single quotes, or double the backslash",
);

impl EnvFile {
    /// Reads all of it; a line that cannot be read keeps no other from being read.
    pub(crate) fn read(text: &str, file: &str, purpose: Purpose) -> Self {
        let mut read = Self::default();
        let mut comments: Vec<Comment> = Vec::new();
        let mut cursor = Cursor { file, lines: text.lines(), line: 0 };
        while let Some(line) = cursor.next() {
            let content = line.trim_start_matches('\u{feff}').trim();
            if let Some(text) = content.strip_prefix('#') {
                comments.push(cursor.comment(line, text));
                continue;
            }
            let above = std::mem::take(&mut comments);
            if content.is_empty() {
                continue;
            }
            match cursor.assignment(line, content, purpose) {
                Ok((assignment, wrong)) => {
                    let problem = wrong.map(|wrong| problem(assignment.place.clone(), wrong));
                    read.problems.extend(problem);
                    read.assignments.push(Assignment { above, ..assignment });
                }
                Err((place, wrong)) => read.problems.push(problem(place, wrong)),
            }
        }
        read
    }
}

fn problem(place: Place, (what, hint): Wrong) -> Problem {
    Problem { place, what, hint }
}

struct Cursor<'t, 'f> {
    file: &'f str,
    lines: Lines<'t>,
    /// The number of the line that was read last, from 1.
    line: usize,
}

impl<'t> Cursor<'t, '_> {
    fn next(&mut self) -> Option<&'t str> {
        self.line += 1;
        self.lines.next()
    }

    /// The place of a slice of the line that was read last.
    fn place(&self, line: &str, part: &str) -> Place {
        let at = part.as_ptr().addr().saturating_sub(line.as_ptr().addr());
        let before = line.get(..at).unwrap_or_default();
        Place { file: self.file.to_owned(), line: self.line, column: 1 + before.chars().count() }
    }

    fn comment(&self, line: &str, text: &str) -> Comment {
        let text = text.trim_start_matches('#').trim();
        Comment { place: self.place(line, text), text: text.to_owned() }
    }

    /// The assignment that begins on this line, with what is wrong about its value; or what is in its place.
    fn assignment(
        &mut self,
        line: &'t str,
        content: &'t str,
        purpose: Purpose,
    ) -> Result<(Assignment, Option<Wrong>), (Place, Wrong)> {
        let declaration = content.strip_prefix("export ").map_or(content, str::trim_start);
        let here = |cursor: &Self| cursor.place(line, content);
        let Some((name, value)) = declaration.split_once('=') else {
            return Err((here(self), NO_ASSIGNMENT));
        };
        let name = name.trim_end();
        if !is_name(name, purpose) {
            return Err((here(self), NO_NAME));
        }
        let place = self.place(line, name);
        let (value, behind, wrong) = self.value(line, value, purpose);
        let assignment = Assignment { name: name.to_owned(), place, value, above: Vec::new(), behind };
        Ok((assignment, wrong))
    }

    fn value(
        &mut self,
        line: &'t str,
        value: &'t str,
        purpose: Purpose,
    ) -> (Value, Option<Comment>, Option<Wrong>) {
        let value = value.trim_start();
        match value.chars().next().filter(|first| matches!(first, '"' | '\'')) {
            Some(quote) => self.quoted(&value[1..], quote, line, purpose),
            None => self.plain(line, value, purpose),
        }
    }

    fn plain(&self, line: &str, value: &str, purpose: Purpose) -> (Value, Option<Comment>, Option<Wrong>) {
        let (text, comment) = match value.split_once(" #") {
            _ if value.starts_with('#') => ("", Some(value)),
            Some((text, comment)) => (text.trim_end(), Some(comment)),
            None => (value, None),
        };
        let comment = comment.map(|comment| self.comment(line, comment));
        let wrong = if purpose == Purpose::Values { plain_wrong(text) } else { None };
        let value = if text.contains('$') { Value::substituted(text) } else { Value::literal(text) };
        (value, comment, wrong)
    }

    /// A quoted value, its opening quote taken off, past its end on a later line where it has several.
    fn quoted(
        &mut self,
        first: &'t str,
        quote: char,
        line: &'t str,
        purpose: Purpose,
    ) -> (Value, Option<Comment>, Option<Wrong>) {
        let mut text = String::new();
        let mut ahead = self.lines.clone();
        let (mut rest, mut on, mut more) = (first, line, 0);
        let end = loop {
            if let Some(end) = closing(rest, quote) {
                break end;
            }
            text.push_str(rest);
            text.push('\n');
            // A quote that is never closed costs its own line, not the rest of the file.
            let Some(next) = ahead.next() else {
                return (Value::substituted(first), None, Some(NOT_CLOSED));
            };
            (rest, on, more) = (next, next, more + 1);
        };
        self.lines = ahead;
        self.line += more;
        text.push_str(&rest[..end]);
        let behind = rest[end + 1..].trim();
        let comment = behind.strip_prefix('#').map(|text| self.comment(on, text));
        let adjoins = !rest[end + 1..].starts_with([' ', '\t']);
        let mut wrong = None;
        if comment.is_none() && !behind.is_empty() && !adjoins {
            wrong = Some(BEHIND_QUOTE);
        }
        let (text, escapes) = if quote == '"' { unescaped(&text) } else { (text, true) };
        if purpose == Purpose::Values && !escapes {
            wrong = Some(ESCAPE);
        }
        // What adjoins, as in 'it''s', is part of the value; what that is then, is not guessed.
        let whole = comment.is_some() || behind.is_empty();
        let literal = whole && (quote == '\'' || !text.contains('$'));
        (if literal { Value::literal(text) } else { Value::substituted(text) }, comment, wrong)
    }
}

/// Whether a shell could have a variable of that name. Values may also be meant for readers that take dots.
fn is_name(name: &str, purpose: Purpose) -> bool {
    let dots = purpose == Purpose::Values;
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_' || dots && char == '.')
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

/// The text without its escapes, and whether each of them is one that is known.
fn unescaped(text: &str) -> (String, bool) {
    let mut known = true;
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some(escaped @ ('\\' | '\'' | '"' | '$' | ' ')) => plain.push(escaped),
            other => {
                known = false;
                plain.push('\\');
                plain.extend(other);
            }
        }
    }
    (plain, known)
}

/// What the reader of values would refuse in a value that does not begin with a quote.
fn plain_wrong(text: &str) -> Option<Wrong> {
    let mut open: Option<char> = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (open, char) {
            (Some(quote), _) if char == quote => open = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                let escapes = matches!(chars.next(), Some('\\' | '\'' | '"' | '$' | ' ' | 'n') | None);
                if !escapes {
                    return Some(ESCAPE);
                }
            }
            (None, '\'' | '"') => open = Some(char),
            (None, ' ' | '\t') => return Some(BLANKS),
            _ => {}
        }
    }
    open.map(|_| STRAY_QUOTE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, purpose: Purpose) -> (Vec<(String, String)>, Vec<String>) {
        let read = EnvFile::read(text, "f", purpose);
        let values = read.assignments.iter();
        let problems = read.problems.iter();
        (
            values
                .map(|assignment| (assignment.name.clone(), assignment.value.expose().to_owned()))
                .collect(),
            problems.map(|problem| format!("{} {}", problem.place, problem.what)).collect(),
        )
    }

    fn problems(text: &str, purpose: Purpose) -> Vec<String> {
        read(text, purpose).1
    }

    #[test]
    fn the_usual_forms_are_read() {
        let text = "\u{feff}# c\r\n\r\nA=1\r\n  export B=\"two \\\"words\\\"\" # why\r\nC='it is $5'\nD=\nE=a#b\nF=\"x\ny\" \
                    # z\nG = \"\"\nH=x # y\nexport=1";
        let expected = [
            ("A", "1"),
            ("B", "two \"words\""),
            ("C", "it is $5"),
            ("D", ""),
            ("E", "a#b"),
            ("F", "x\ny"),
            ("G", ""),
            ("H", "x"),
            ("export", "1"),
        ];
        let (values, problems) = read(text, Purpose::Values);
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn comments_stay_with_their_variable() {
        let read =
            EnvFile::read("# far\n\n# one\n## two\nA=1 # three\nB=\"x\ny\" # four\n", "f", Purpose::Contract);
        let texts =
            |comments: &[Comment]| comments.iter().map(|comment| comment.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&read.assignments[0].above), ["one", "two"]);
        let behind = |index: usize| read.assignments[index].behind.clone().expect("a comment");
        assert_eq!((behind(0).text.as_str(), behind(0).place.to_string()), ("three", "f:5:7".to_owned()));
        assert_eq!((behind(1).text.as_str(), behind(1).place.to_string()), ("four", "f:7:6".to_owned()));
        assert_eq!(read.assignments[1].place.to_string(), "f:6:1");
    }

    #[test]
    fn what_no_reader_takes_is_a_problem_at_its_place() {
        let text = "hunter2\nA=1\n  my-name=hunter2\n=x\n1A=2\nB=\"hunter2\nC='a' b\nD=2";
        let (values, problems) = read(text, Purpose::Contract);
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B", "C", "D"], "a quote that is not closed costs one line");
        let expected = [
            "f:1:1 the line is not NAME=value",
            "f:3:3 the line does not begin with a name of a variable",
            "f:4:1 the line does not begin with a name of a variable",
            "f:5:1 the line does not begin with a name of a variable",
            "f:6:1 the quote of the value is not closed",
            "f:7:1 there is text behind the closing quote",
        ];
        assert_eq!(problems, expected);
    }

    #[test]
    fn values_are_held_to_what_their_reader_accepts() {
        let text =
            "A=two words\nB=it's\nC=C:\\Users\nD=\"C:\\Users\"\nE='C:\\Users'\nF=a\\ b\nG=a'b c'd\nh.i=1\n";
        let expected = [
            "f:1:1 the value has blanks and no quotes",
            "f:2:1 the value has a quote in the middle that is not closed",
            "f:3:1 the value has a backslash that escapes nothing",
            "f:4:1 the value has a backslash that escapes nothing",
        ];
        assert_eq!(problems(text, Purpose::Values), expected);
        assert_eq!(
            problems(text, Purpose::Contract),
            ["f:8:1 the line does not begin with a name of a variable"],
            "examples may be written as a person reads them"
        );
    }

    #[test]
    fn a_value_that_depends_on_another_is_known_as_such() {
        let read = EnvFile::read("A=$B\nC=\"x${B}\"\nD='$5'\nE='a'b\n", "f", Purpose::Values);
        let depends: Vec<bool> = read.assignments.iter().map(|it| it.value.substitutes()).collect();
        assert_eq!(depends, [true, true, false, true]);
    }

    #[test]
    fn nothing_that_is_shown_has_a_value_in_it() {
        let read = EnvFile::read("A=hunter2\nhunter2\nB=\"hunter2\n", "f", Purpose::Values);
        assert!(!format!("{read:?}").contains("hunter2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(text in "(?s).*") {
            EnvFile::read(&text, "f", Purpose::Values);
            EnvFile::read(&text, "f", Purpose::Contract);
        }

        #[test]
        fn nothing_panics_on_quotes(text in "[A-C=\"'\\\\#é$\r\n @().|]*") {
            EnvFile::read(&text, "f", Purpose::Values);
            EnvFile::read(&text, "f", Purpose::Contract);
        }

        #[test]
        fn every_line_is_read_or_reported(lines in proptest::collection::vec("[A-Z]{1,3}(=[a-z]*)?", 0..9)) {
            let read = EnvFile::read(&lines.join("\r\n"), "f", Purpose::Values);
            prop_assert_eq!(read.assignments.len() + read.problems.len(), lines.len());
        }
    }
}
