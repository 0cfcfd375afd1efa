//! Names of variables and settings that hold secrets.

/// Last words that alone make a secret's name.
const SECRETS: [&str; 11] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "apikey",
    "credential",
    "credentials",
    "secretkey",
];

/// Words before `key` that make it a secret.
const KEYS: [&str; 19] = [
    "api",
    "secret",
    "access",
    "private",
    "auth",
    "encryption",
    "encrypt",
    "signing",
    "signature",
    "account",
    "master",
    "app",
    "storage",
    "hmac",
    "jwt",
    "session",
    "cipher",
    "admin",
    "service",
];

/// Words that make a name one of something public: `public_key`, `token_hash`.
const PUBLIC: [&str; 9] =
    ["public", "publishable", "pub", "hash", "hashed", "checksum", "digest", "csrf", "next"];

/// Whether a value under this name is meant to be secret, by the words of the name: the last ones count, so
/// that `PASSWORD_FIELD` and `TOKEN_EXPIRY` are none.
pub(crate) fn is_secret(name: &str) -> bool {
    let words = words(name);
    // `STRIPE_SECRET_KEY_PROD`, `SECRET_KEY_BASE`: the end says nothing about what it is.
    let environments =
        ["prod", "production", "staging", "dev", "live", "old", "new", "value", "base", "1", "2"];
    let end = words.iter().rposition(|word| !environments.contains(&&**word)).map_or(0, |last| last + 1);
    let words = &words[..end];
    let Some((last, before)) = words.split_last() else { return false };
    let is_public = words.iter().any(|word| PUBLIC.contains(&&**word));
    let is_key =
        matches!(&**last, "key" | "keys") && before.last().is_some_and(|word| KEYS.contains(&&**word));
    let joined = SECRETS.iter().any(|secret| secret.len() > 4 && last.ends_with(secret));
    !is_public && (SECRETS.contains(&&**last) || joined || is_key || (last == "pass" && !before.is_empty()))
}

/// The words of a name, in lower case: `awsSecretKey`, `AWS_SECRET_KEY` and `aws.secret-key` have the same three.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for char in name.chars() {
        let starts = char.is_ascii_uppercase() && was_lower;
        if !char.is_alphanumeric() || starts {
            words.push(String::new());
        }
        if let (true, Some(word)) = (char.is_alphanumeric(), words.last_mut()) {
            word.push(char.to_ascii_lowercase());
        }
        was_lower = char.is_ascii_lowercase() || char.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_make_a_secret() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "STRIPE_API_KEY",
            "awsSecretAccessKey",
            "client-secret",
            "spring.datasource.password",
            "TWILIO_AUTH_TOKEN",
            "SECRET_KEY",
            "SECRET_KEY_BASE",
            "JWT_SECRET",
            "STRIPE_SECRET_KEY_PROD",
            "SMTP_PASS",
            "apikey",
            "POSTGRES_PASSWORD",
            "dbpassword",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "PASSWORD_FIELD",
            "token_expiry",
            "secretName",
            "tokenizer",
            "SECRET_ARN",
            "password_hash",
            "primaryKey",
            "STRIPE_PUBLISHABLE_KEY",
            "ssh_public_key",
            "csrf_token",
            "pass",
            "compass",
            "monkey",
            "key",
            "",
            "cache_key",
            "i18nKey",
            "PASSWORD_MIN_LENGTH",
            "AWS_ACCESS_KEY_ID",
            "DB_PASSWORD_FILE",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
