//! Secrets in `environment`, where everybody may read them who may describe the task.

use quickserve_core::finding::{Code, Finding};

use super::{Definition, placeholder};
use crate::Subject;

/// Words of a name, any of which says that the value is secret.
const SECRET: &[&str] =
    &["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS"];

/// Words that say so when KEY follows.
const SECRET_KEYS: &[&str] = &["API", "ACCESS", "PRIVATE", "ENCRYPTION", "SIGNING"];

/// Last words of a name that is of something about the secret and not of the secret.
const ABOUT: &[&str] = &[
    "FILE",
    "PATH",
    "NAME",
    "ARN",
    "ID",
    "URL",
    "URI",
    "TTL",
    "EXPIRY",
    "EXPIRES",
    "EXPIRATION",
    "LIFETIME",
    "LENGTH",
    "HEADER",
    "ENDPOINT",
    "ISSUER",
    "AUDIENCE",
    "TYPE",
    "ALGORITHM",
    "ENABLED",
    "REGION",
    "VERSION",
    "PREFIX",
    "HOST",
    "BUCKET",
    "SECONDS",
    "MINUTES",
    "HOURS",
    "DAYS",
    "POLICY",
    "SCOPE",
    "LIMIT",
    "USERNAME",
    "EMAIL",
    "PARAMETER",
];

/// Values that nobody means.
const STAND_INS: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "example",
    "placeholder",
    "dummy",
    "your",
    "xxx",
    "todo",
    "redacted",
    "***",
];

/// ECS documentation, "Pass sensitive data to a container".
pub(super) fn secrets(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in definition.containers() {
        for (name, value, _) in container.environment() {
            if value.as_str().is_some_and(|value| plain_secret(name, value)) {
                let message = format!("{name} of {} is a secret in plain sight", container.name());
                let hint = "keep it in Secrets Manager, name it in `secrets`, and replace what was seen";
                // No excerpt: it would show the value.
                let place = definition.file.source().place(value.span.start);
                findings.push(Finding::error(Code::PLAIN_SECRET, message).at(place).with_hint(hint));
            }
        }
    }
    findings
}

/// Whether a variable is surely a secret, by its name or by a password in its URL.
fn plain_secret(name: &str, value: &str) -> bool {
    if value.contains("${") || placeholder::foreign(value).is_some() {
        return false;
    }
    url_password(value).is_some_and(is_meant) || (is_secret_name(name) && is_literal(value))
}

fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split(['_', '-', '.']).collect();
    let secret = words.iter().any(|word| SECRET.contains(word) || word.ends_with("PASSWORD"))
        || words.windows(2).any(|pair| SECRET_KEYS.contains(&pair[0]) && pair[1] == "KEY");
    let about = words.last().is_some_and(|word| ABOUT.contains(word));
    let public = words.iter().any(|word| matches!(*word, "PUBLIC" | "PUBLISHABLE"));
    secret && !about && !public
}

/// Whether a value is one that somebody would keep secret: not a switch, a number, a path or a reference.
fn is_literal(value: &str) -> bool {
    let reference = value.starts_with(['/', '.']) || value.starts_with("arn:") || value.contains("://");
    let plain = value.len() < 6
        || value.chars().all(|char| char.is_ascii_digit())
        || value.contains(char::is_whitespace);
    let words = ["true", "false", "disabled", "enabled", "required", "optional", "bearer"];
    !reference && !plain && !words.contains(&&*value.to_ascii_lowercase()) && is_meant(value)
}

fn is_meant(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    !value.is_empty()
        && !STAND_INS.iter().any(|word| lower.contains(word))
        && !matches!(&*lower, "password" | "pass" | "secret")
}

/// The password of `scheme://user:password@host`.
fn url_password(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_what_is_about_them() {
        for (name, value) in [
            ("DB_PASSWORD", "hunter2hunter2"),
            ("stripe_api_key", "sk_live_4eC39HqLyjWDarj"),
            ("DATABASE_URL", "postgresql://app:s3cr3t@db.internal:5432/app"),
            ("JWT_SECRET", "dGhpcyBpcyBhIHNlY3JldA=="),
        ] {
            assert!(plain_secret(name, value), "{name}");
        }
        for (name, value) in [
            ("NODE_ENV", "production"),
            ("PASSWORD_MIN_LENGTH", "12"),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("TOKEN_TTL", "360000"),
            ("SECRET_ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"),
            ("DB_PASSWORD", "${DB_PASSWORD}"),
            ("DB_PASSWORD", "<password>"),
            ("DB_PASSWORD", "changeme"),
            ("STRIPE_API_KEY", "sk_live_xxxxx"),
            ("DATABASE_URL", "postgresql://user:password@host:5432/db"),
            ("NEXT_PUBLIC_API_KEY", "pk_live_4eC39HqLyjWDarj"),
            ("MAX_TOKENS", "409600"),
        ] {
            assert!(!plain_secret(name, value), "{name}");
        }
    }
}
