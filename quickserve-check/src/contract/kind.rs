//! The kinds of value that a contract may ask for.

use std::fmt;
use std::str::FromStr;

use quickserve_core::config::duration;
use quickserve_core::document::did_you_mean;

/// What kind of value a variable takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    String,
    /// With a scheme and a host, such as `https://api.example.com`.
    Url,
    /// A whole number.
    Int,
    /// 1 to 65535.
    Port,
    /// `true`, `false`, `1`, `0`, `yes`, `no`, `on` or `off`.
    Bool,
    /// A number with a unit, such as `30s`.
    Duration,
    /// JSON.
    Json,
    /// One of these words.
    Enum(Vec<String>),
}

const NAMES: [&str; 8] = ["string", "url", "int", "port", "bool", "duration", "json", "enum"];

impl Kind {
    /// Whether a value is of this kind.
    pub fn takes(&self, value: &str) -> bool {
        let value = value.trim();
        match self {
            Self::String => true,
            Self::Url => is_url(value),
            Self::Int => value.parse::<i128>().is_ok(),
            Self::Port => value.parse::<u16>().is_ok_and(|port| port > 0),
            Self::Bool => {
                let words = ["true", "false", "1", "0", "yes", "no", "on", "off"];
                words.contains(&&*value.to_lowercase())
            }
            Self::Duration => duration::parse(value).is_ok(),
            Self::Json => serde_json::from_str::<serde_json::Value>(value).is_ok(),
            Self::Enum(words) => words.iter().any(|word| word == value),
        }
    }
}

/// RFC 3986: a scheme, and an authority with a host.
fn is_url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let letter = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(letter)
        && (!host.is_empty() || rest.starts_with('/'))
        && !value.chars().any(char::is_whitespace)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("a text"),
            Self::Url => f.write_str("a URL with scheme and host"),
            Self::Int => f.write_str("a whole number"),
            Self::Port => f.write_str("a port, 1 to 65535"),
            Self::Bool => f.write_str("true or false"),
            Self::Duration => f.write_str("a duration with its unit, such as 30s"),
            Self::Json => f.write_str("JSON"),
            Self::Enum(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    /// Reads what stands in `@type(...)`; the error is a hint.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, words) = text.split_once(':').unwrap_or((text, ""));
        Ok(match name.trim() {
            "string" => Self::String,
            "url" => Self::Url,
            "int" => Self::Int,
            "port" => Self::Port,
            "bool" => Self::Bool,
            "duration" => Self::Duration,
            "json" => Self::Json,
            "enum" => {
                let words = words.split([',', '|']).map(str::trim).filter(|word| !word.is_empty());
                let words: Vec<String> = words.map(str::to_owned).collect();
                if words.is_empty() {
                    return Err("write the words: @type(enum: debug, info)".to_owned());
                }
                Self::Enum(words)
            }
            other => return Err(did_you_mean(other, &NAMES).unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_its_values_and_no_others() {
        let table: [(&str, &[&str], &[&str]); 8] = [
            ("string", &["", "x"], &[]),
            ("url", &["https://a", "postgresql://u:p@h:5432/db", "file:///x"], &["a", "http://", "://a", "http://a b"]),
            ("int", &["-3", " 42 "], &["4.2", "x", ""]),
            ("port", &["1", "65535"], &["0", "65536", "http"]),
            ("bool", &["TRUE", "0", "off"], &["2", ""]),
            ("duration", &["30s", "2m"], &["30", "x"]),
            ("json", &["{}", "[1]"], &["{", ""]),
            ("enum: debug, info", &["debug", "info"], &["warn", "Debug"]),
        ];
        for (kind, good, bad) in table {
            let kind: Kind = kind.parse().expect("a kind");
            good.iter().for_each(|value| assert!(kind.takes(value), "{kind}: {value}"));
            bad.iter().for_each(|value| assert!(!kind.takes(value), "{kind}: {value}"));
        }
        assert_eq!("itn".parse::<Kind>().expect_err("no kind"), "did you mean `int`");
        assert!("enum:".parse::<Kind>().is_err());
    }
}
