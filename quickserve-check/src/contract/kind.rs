//! Types that a contract may ask for.

use std::fmt;

use quickserve_core::document::{Source, parse_json};
use quickserve_core::finding::Code;

/// The type of a variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An address with its scheme.
    Url,
    /// A whole number.
    Integer,
    /// 1 to 65535.
    Port,
    /// A switch: true, false, 1, 0, yes, no, on, off.
    Boolean,
    /// One of these words.
    Enumeration(Vec<String>),
    /// A number with its unit, such as `30s`.
    Duration,
    /// A JSON document.
    Json,
    /// Any text.
    Text,
}

/// Schemes behind which no `//` need follow.
const SCHEMES: [&str; 8] = ["data", "file", "jdbc", "mailto", "sqlite", "sqlite3", "unix", "urn"];

const UNITS: [&str; 25] = [
    "ns", "us", "µs", "ms", "s", "sec", "secs", "second", "seconds", "m", "min", "mins", "minute", "minutes",
    "h", "hr", "hrs", "hour", "hours", "d", "day", "days", "w", "week", "weeks",
];

impl Kind {
    /// The words that name the types, but for `enum`, which has arguments.
    pub(crate) const WORDS: [(&'static str, Self); 7] = [
        ("url", Self::Url),
        ("int", Self::Integer),
        ("port", Self::Port),
        ("bool", Self::Boolean),
        ("duration", Self::Duration),
        ("json", Self::Json),
        ("string", Self::Text),
    ];

    /// Whether the value is of this type. In doubt it is: programs take more than there are rules for.
    pub fn accepts(&self, value: &str) -> bool {
        let value = value.trim();
        match self {
            Self::Url => is_url(value),
            Self::Integer => value.parse::<i128>().is_ok(),
            Self::Port => value.parse::<u16>().is_ok_and(|port| port > 0),
            Self::Boolean => {
                let words = ["true", "false", "1", "0", "yes", "no", "on", "off"];
                words.iter().any(|word| value.eq_ignore_ascii_case(word))
            }
            Self::Enumeration(words) => words.iter().any(|word| word == value),
            Self::Duration => is_duration(value),
            Self::Json => is_json(value),
            Self::Text => true,
        }
    }

    /// An example, as a hint shows it.
    pub(crate) fn example(&self) -> String {
        match self {
            Self::Url => "https://host:8443/path".to_owned(),
            Self::Integer => "8".to_owned(),
            Self::Port => "3000".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Enumeration(words) => words.join(", "),
            Self::Duration => "30s, 5m or 1h30m".to_owned(),
            Self::Json => r#"'{"key": "value"}'"#.to_owned(),
            Self::Text => "text".to_owned(),
        }
    }

    /// As a sentence says it.
    pub(crate) fn noun(&self) -> String {
        match self {
            Self::Url => "a URL with its scheme".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Port => "a port from 1 to 65535".to_owned(),
            Self::Boolean => "a switch".to_owned(),
            Self::Enumeration(words) => format!("one of {}", words.join(", ")),
            Self::Duration => "a duration with its unit".to_owned(),
            Self::Json => "JSON".to_owned(),
            Self::Text => "text".to_owned(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Enumeration(words) = self {
            return write!(f, "enum({})", words.join("|"));
        }
        let word = Self::WORDS.iter().find(|(_, kind)| kind == self);
        f.write_str(word.map_or("string", |(word, _)| word))
    }
}

fn is_url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once(':') else { return false };
    let inner = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.');
    let is_scheme =
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.chars().all(inner);
    let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let place = rest.strip_prefix("//");
    let named = place.map_or(known && !rest.is_empty(), |place| !place.is_empty());
    is_scheme && named && !value.contains(char::is_whitespace)
}

/// `1h30m`, `1.5 hours`, `0`, and ISO 8601's `PT30S`.
fn is_duration(value: &str) -> bool {
    if let Some(rest) = value.strip_prefix('P') {
        let inner = |char: char| {
            char.is_ascii_digit() || matches!(char, 'T' | 'Y' | 'M' | 'W' | 'D' | 'H' | 'S' | '.')
        };
        return rest.len() > 1
            && rest.chars().all(inner)
            && rest.contains(|char: char| char.is_ascii_digit());
    }
    if value == "0" {
        return true;
    }
    let mut rest = value.strip_prefix(['-', '+']).unwrap_or(value);
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let behind = behind.trim_start();
        let letters = behind.find(|char: char| !char.is_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        if number.parse::<f64>().is_err() || !UNITS.iter().any(|known| unit.eq_ignore_ascii_case(known)) {
            return false;
        }
        rest = behind.trim_start();
    }
    value.contains(|char: char| char.is_ascii_digit())
}

fn is_json(value: &str) -> bool {
    // A key that is there twice is unwise, and JSON all the same.
    let (syntax, twice) = (Code::DEFINITION_SYNTAX, Code::DEFINITION_INCOMPLETE);
    let problems = parse_json(Source { file: "", text: value }, syntax, twice).err().unwrap_or_default();
    !problems.iter().any(|problem| problem.code == syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_knows_its_own() {
        let words = Kind::Enumeration(vec!["debug".to_owned(), "info".to_owned()]);
        let right: [(&Kind, &[&str]); 8] = [
            (
                &Kind::Url,
                &["https://a", "postgresql://u:p@h:5432/db?x=y", "sqlite:./dev.db", "jdbc:h2:mem:x"],
            ),
            (&Kind::Integer, &["0", "-12", "+3", " 4 "]),
            (&Kind::Port, &["1", "65535"]),
            (&Kind::Boolean, &["TRUE", "false", "1", "0", "Yes", "off"]),
            (&words, &["debug", "info"]),
            (
                &Kind::Duration,
                &["30s", "1h30m", "500ms", "1.5h", "10 minutes", "0", "PT30S", "P1D", "2 Days"],
            ),
            (&Kind::Json, &["{}", "[1]", "\"a\"", "{\"a\":1,\"a\":2}", "1"]),
            (&Kind::Text, &["", "anything"]),
        ];
        for (kind, values) in right {
            for value in values {
                assert!(kind.accepts(value), "{value:?} is {kind}");
            }
        }
        let wrong: [(&Kind, &[&str]); 7] = [
            (
                &Kind::Url,
                &["localhost:3000", "host/path", "https://", "http ://a", "://a", "a b://c", "mailto:"],
            ),
            (&Kind::Integer, &["1.5", "four", "1_000", "0x10"]),
            (&Kind::Port, &["0", "65536", "-1", "http", "3000/tcp"]),
            (&Kind::Boolean, &["2", "maybe", "y e s"]),
            (&words, &["Debug", "trace", ""]),
            (&Kind::Duration, &["30", "s", "30x", "soon", "P", "PT", "", "1..2s", "-"]),
            (&Kind::Json, &["{", "{'a': 1}", "a", "{} {}"]),
        ];
        for (kind, values) in wrong {
            for value in values {
                assert!(!kind.accepts(value), "{value:?} is no {kind}");
            }
        }
    }

    #[test]
    fn deep_nesting_is_no_json_and_no_panic() {
        assert!(!Kind::Json.accepts(&"[".repeat(100_000)));
    }
}
