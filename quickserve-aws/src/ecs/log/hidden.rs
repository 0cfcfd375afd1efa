//! Secrets hidden in what a container wrote: it is journalled and shown, and may repeat what it was told.
//!
//! ECS gives a container the values of its secrets, and they are not known here. So they are hidden where they show
//! themselves: beside the name of a variable that is a secret, beside a word for one, as the password of a URL, and by the
//! shape of a token, which is what `check` and every message of the command know a secret by.

use std::collections::BTreeSet;

/// Words in a name whose value is not for others.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "credential",
    "authorization",
    "cookie",
];

/// What stands before the value itself in `Authorization: Bearer abc` (RFC 9110, 11.4).
const SCHEMES: &[&str] = &["bearer", "basic", "token"];

/// A line in which values of secrets are hidden, as far as the line shows that they are some. `names` are the
/// variables of the container's secrets.
pub(super) fn hidden(line: &str, names: &BTreeSet<String>) -> String {
    quickserve_check::mask(&named(&without_passwords(line), names))
}

/// A line without what stands beside names of secrets.
fn named(line: &str, names: &BTreeSet<String>) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at);
        let name: &str = before.trim_end_matches(['"', '\'', ' ']);
        let name =
            name.rsplit(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).next().unwrap_or_default();
        out.push_str(before);
        out.push_str(&after[..1]);
        rest = &after[1..];
        if is_secret(name, names) {
            let value = rest.trim_start_matches(['"', '\'', ' ']);
            out.push_str(&rest[..rest.len() - value.len()]);
            let end_of = |text: &str| {
                text.find(|c: char| c.is_whitespace() || "\"',;&}".contains(c)).unwrap_or(text.len())
            };
            let mut end = end_of(value);
            if SCHEMES.contains(&value[..end].to_lowercase().as_str()) {
                let after = value[end..].trim_start();
                end = value.len() - after.len() + end_of(after);
            }
            if end > 0 {
                out.push_str("***");
            }
            rest = &value[end..];
        }
    }
    out.push_str(rest);
    out
}

fn is_secret(name: &str, names: &BTreeSet<String>) -> bool {
    let lower = name.to_lowercase().replace('-', "_");
    names.contains(name) || WORDS.iter().any(|word| lower.ends_with(word))
}

/// `scheme://user:password@host` without the password.
fn without_passwords(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'/?#".contains(c)).unwrap_or(after.len());
        let authority = &after[..end];
        match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
            Some((user, host)) => out.extend([user, ":***@", host]),
            None => out.push_str(authority),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made up for this test, and of the shape of the real thing.
    const TOKEN: &str = concat!("ghp_", "x7Kq2mVd9LwZ4tRb8NcY1sHf6JpG3aQe5UoT");

    #[test]
    fn a_bare_token_is_hidden_by_its_shape() {
        let line = format!("push refused for {TOKEN} by ghcr.io");
        assert_eq!(hidden(&line, &BTreeSet::new()), "push refused for ... by ghcr.io");
    }

    #[test]
    fn values_are_hidden_where_a_line_shows_that_they_are_secrets() {
        let names = BTreeSet::from(["DATABASE_URL".to_owned()]);
        for (line, shown) in [
            ("connect postgres://u:p@ss@db:5432/shop failed", "connect postgres://u:***@db:5432/shop failed"),
            ("DATABASE_URL=abc123 is no URL", "DATABASE_URL=*** is no URL"),
            (r#"{"apiKey": "sk_1", "port": 3000}"#, r#"{"apiKey": "***", "port": 3000}"#),
            (
                "AWS_SECRET_ACCESS_KEY: x/y+z; region: us-east-1",
                "AWS_SECRET_ACCESS_KEY: ***; region: us-east-1",
            ),
            ("listening on http://0.0.0.0:3000", "listening on http://0.0.0.0:3000"),
            ("FATAL: no table orders", "FATAL: no table orders"),
            ("user-token=a&next=/", "user-token=***&next=/"),
            ("missing secret:", "missing secret:"),
            ("> Authorization: Bearer eyJx.y, retried", "> Authorization: ***, retried"),
            ("set-cookie: sid=abc; Path=/", "set-cookie: ***; Path=/"),
        ] {
            assert_eq!(hidden(line, &names), shown);
        }
    }
}
