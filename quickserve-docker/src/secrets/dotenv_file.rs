//! Reading dotenv files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use quickserve_core::{Error, ErrorKind, Result};
use secrecy::SecretString;

/// How many lines a quoted value may span.
const MOST_LINES: usize = 500;

/// A variable of a dotenv file.
pub(super) struct Variable {
    pub(super) value: SecretString,
    pub(super) is_empty: bool,
    /// Where it stands, from 1.
    pub(super) line: usize,
    /// It contains a `$` that readers substitute, each in its own way.
    pub(super) substitutes: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("line", &self.line).finish_non_exhaustive()
    }
}

/// The names of the variables of a dotenv file in the order of the file, each once (the last counts): the contract that an
/// `.env.example` states.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such file, [`ErrorKind::Invalid`] with the line that cannot be read.
pub fn variable_names(file: &Path) -> Result<Vec<String>> {
    let variables = read(file)?;
    let mut names: Vec<(usize, String)> =
        variables.into_iter().map(|(name, variable)| (variable.line, name)).collect();
    names.sort();
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

/// Those of them that are not empty.
///
/// # Errors
/// As of [`variable_names`].
pub fn valued_names(file: &Path) -> Result<BTreeSet<String>> {
    let variables = read(file)?.into_iter().filter(|(_, variable)| !variable.is_empty);
    Ok(variables.map(|(name, _)| name).collect())
}

/// Reads a dotenv file. Of a name that occurs twice the last one counts, as for `docker run --env-file`.
pub(super) fn read(file: &Path) -> Result<BTreeMap<String, Variable>> {
    let text = std::fs::read(file).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Unexpected,
        };
        Error::new(kind, format!("read {}", file.display())).with_source(error)
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let line = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()])
            .split('\n')
            .count();
        at(file, line, "is not UTF-8")
    })?;
    parse(file, &text)
}

fn at(file: &Path, line: usize, what: &str) -> Error {
    // Never with the parser's own error: it repeats the line, value and all.
    Error::new(ErrorKind::Invalid, format!("read {}:{line}: the line {what}", file.display()))
}

/// The syntax is dotenvy's: `NAME=value`, `export`, comments, single and double quotes over several lines,
/// escapes. Each variable is given to it alone, so the line of an error is known.
fn parse(file: &Path, text: &str) -> Result<BTreeMap<String, Variable>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().collect();
    let mut variables = BTreeMap::new();
    let mut next = 0;
    while next < lines.len() {
        let start = next;
        let (end, pairs) = (start + 1..=lines.len().min(start + MOST_LINES))
            .find_map(|end| Some((end, one(&lines[start..end].join("\n"))?)))
            .ok_or_else(|| {
                at(file, start + 1, "is not NAME=value")
                    .with_hint("put a value with spaces, quotes or $ in single quotes")
            })?;
        next = end;
        for (name, value) in pairs {
            let substitutes = has_substitution(&lines[start..end].join("\n"));
            let is_empty = value.is_empty();
            let value = SecretString::from(value);
            variables.insert(name, Variable { value, is_empty, line: start + 1, substitutes });
        }
    }
    Ok(variables)
}

/// One variable, or none where the text has none; `None` when it cannot be read (yet).
fn one(text: &str) -> Option<Vec<(String, String)>> {
    let pairs: Vec<(String, String)> =
        dotenvy::from_read_iter(text.as_bytes()).collect::<Result<_, _>>().ok()?;
    (pairs.len() < 2).then_some(pairs)
}

/// Whether a `$` stands outside single quotes and without a backslash.
///
/// dotenvy would put the environment of this process in its place, `docker run --env-file` leaves it, compose
/// reads it in a third way: such a value is refused when it is asked for, never guessed.
fn has_substitution(text: &str) -> bool {
    let value = text.split_once('=').map_or("", |(_, value)| value);
    let (mut single, mut double, mut blank) = (false, false, true);
    let mut chars = value.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' if !single => drop(chars.next()),
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '#' if blank && !single && !double => return false,
            '$' if !single => return true,
            _ => {}
        }
        blank = next.is_whitespace();
    }
    false
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn parsed(text: &str) -> BTreeMap<String, Variable> {
        parse(Path::new(".env"), text).expect("variables")
    }

    #[test]
    fn the_usual_forms_are_read() {
        let text = "\u{feff}# comment\n\nA=1\nexport B=\"two words\" # why\r\nC='it''s $5'\nD=\nE=a#b\nF=\"x\ny\"\nA=2\n";
        let variables = parsed(text);
        let shown: Vec<(&str, &str, usize)> = variables
            .iter()
            .map(|(name, variable)| (name.as_str(), variable.value.expose_secret(), variable.line))
            .collect();
        assert_eq!(
            shown,
            [
                ("A", "2", 10),
                ("B", "two words", 4),
                ("C", "its $5", 5),
                ("D", "", 6),
                ("E", "a#b", 7),
                ("F", "x\ny", 8)
            ]
        );
        assert!(variables["D"].is_empty);
        assert!(variables.values().all(|variable| !variable.substitutes));
    }

    #[test]
    fn a_dollar_is_seen_where_it_would_be_substituted() {
        let variables = parsed("A=pa$word\nB='pa$word'\nC=pa\\$word\nD=\"${X}\"\nE=x # costs $5\n");
        let seen: Vec<&str> = variables
            .iter()
            .filter(|(_, variable)| variable.substitutes)
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(seen, ["A", "D"]);
    }

    #[test]
    fn an_error_names_the_line_and_not_the_value() {
        for (text, line) in [("A=1\nhunter2\nB=2\n", 2), ("A=1\nB=\"hunter2\n", 2), ("A=hunter2 b\n", 1)] {
            let error = parse(Path::new(".env"), text).expect_err("an error");
            assert!(error.to_string().contains(&format!(".env:{line}:")), "{error}");
            assert!(!format!("{error:?} {:?}", error.causes()).contains("hunter2"), "{error:?}");
        }
    }
}
