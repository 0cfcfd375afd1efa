//! Values that a person has to replace: `changeme`, `sk_live_xxxxx`, `<your-token>`.
//!
//! Only shapes that no real value has. `production`, `3000` and `us-east-1` stand in templates too, and are right;
//! `password` is what local databases are really given.

/// Whole values.
const WORDS: [&str; 14] = [
    "...",
    "***",
    "changeit",
    "changeme",
    "example",
    "fill-me-in",
    "fillmein",
    "fixme",
    "placeholder",
    "redacted",
    "replaceme",
    "tbd",
    "todo",
    "your_value_here",
];

/// Parts of a value in sequence, whatever stands between them.
const PHRASES: [&[&str]; 11] = [
    &["changeme"],
    &["change", "me"],
    &["change", "this"],
    &["replaceme"],
    &["replace", "me"],
    &["replace", "this"],
    &["replace", "with"],
    &["insert", "here"],
    &["key", "here"],
    &["goes", "here"],
    &["placeholder"],
];

/// Hosts that are names for a host.
const HOSTS: [&str; 6] = ["host", "hostname", "your-host", "yourhost", "db-host", "server"];

/// Users and passwords that are names for such.
const USERS: [&str; 6] = ["user", "username", "dbuser", "db_user", "login", "usr"];
const PASSWORDS: [&str; 6] = ["password", "pass", "passwd", "pwd", "secret", "dbpassword"];

/// Whether a value waits to be replaced.
pub(crate) fn awaits_person(value: &str) -> bool {
    let value = value.trim();
    let lower = value.to_ascii_lowercase();
    if WORDS.contains(&lower.as_str()) || lower.starts_with("todo:") || lower.starts_with("todo ") {
        return true;
    }
    // Text for people may well say `your`, or show a tag.
    let prose = value.contains(char::is_whitespace);
    has_crosses(&lower)
        || has_address_of_nobody(&lower)
        || !prose && (has_brackets(value) || has_phrase(&lower))
}

/// `xxx` between other signs, or a longer run anywhere.
fn has_crosses(lower: &str) -> bool {
    let bounded = lower.split(|char: char| !char.is_ascii_alphanumeric());
    let mut bounded = bounded.filter(|part| part.len() >= 3);
    bounded.any(|part| part.chars().all(|char| char == 'x')) || lower.contains("xxxxxx")
}

/// `<token>`, `[YOUR_KEY]`.
fn has_brackets(value: &str) -> bool {
    let inner = |open: char, close: char| {
        let (_, rest) = value.split_once(open)?;
        rest.split_once(close).map(|(inner, _)| inner)
    };
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic())
            && word.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'))
    };
    let angle = inner('<', '>').is_some_and(is_word) && !value.contains("</");
    // A list in square brackets is JSON; a placeholder is the whole value, in capitals or with `your`.
    let square = value.starts_with('[')
        && value.ends_with(']')
        && inner('[', ']').is_some_and(|word| {
            is_word(word)
                && word.contains('_')
                && (word == word.to_ascii_uppercase() || word.contains("your"))
        });
    angle || square
}

fn has_phrase(lower: &str) -> bool {
    let parts: Vec<&str> = lower.split(|char: char| !char.is_ascii_alphanumeric()).collect();
    let phrase = PHRASES.iter().any(|phrase| parts.windows(phrase.len()).any(|window| window == *phrase));
    // `your-api-key`, `https://your-domain.com`; not `your` alone, nor `yourshop.com`.
    phrase || parts.iter().position(|part| *part == "your").is_some_and(|at| at + 1 < parts.len())
}

/// `scheme://user:password@host`: neither exists. With a real host it may be right for a local database.
fn has_address_of_nobody(lower: &str) -> bool {
    let Some((_, rest)) = lower.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((who, host)) = authority.rsplit_once('@') else { return false };
    let host = host.split(':').next().unwrap_or_default();
    let (user, password) = who.split_once(':').unwrap_or((who, "password"));
    HOSTS.contains(&host) && (USERS.contains(&user) || PASSWORDS.contains(&password))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_waits_to_be_replaced_is_known() {
        for value in [
            "sk_live_xxxxx",
            "xxxxx",
            "XXX",
            "AKIAXXXXXXXXXXXXXXXX",
            "postgresql://user:password@host:5432/dbname",
            "mysql://username:secret@hostname/db",
            "changeme",
            "Change-Me",
            "postgresql://app:change-me@db:5432/app",
            "change_this_to_something_long",
            "<your-token>",
            "https://<account>.example.com",
            "[YOUR_API_KEY]",
            "your-api-key",
            "https://your-domain.com",
            "sk_test_your_key",
            "TODO",
            "TODO: ask Anna",
            "...",
            "<GENERATE>",
            "insert-key-here",
            "arn:aws:secretsmanager:us-east-1:xxx:secret:db",
        ] {
            assert!(awaits_person(value), "{value}");
        }
    }

    #[test]
    fn what_may_be_meant_is_not_disputed() {
        for value in [
            "production",
            "3000",
            "us-east-1",
            "QuickServe",
            "quickserve-uploads",
            "password",
            "postgres://user:password@localhost:5432/app",
            "postgres://postgres:postgres@db/app",
            "redis://cache:6379",
            "Shop <shop@example.com>",
            "Your order is ready",
            "<b>hello</b>",
            "[1, 2]",
            "[\"a\"]",
            "[info]",
            "maximum",
            "index.xml",
            "foxx",
            "dGhpc2lzeHh4YQ==",
            "todo-service",
            "https://yourshop.com",
            "{\"todo\": 1}",
            "",
            "mailto:you@example.com",
            "example.com",
            "info",
            "true",
        ] {
            assert!(!awaits_person(value), "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(value in "(?s).*", signs in "[<>\\[\\]x:/@é -]*") {
            let _ = (awaits_person(&value), awaits_person(&signs));
        }
    }
}
