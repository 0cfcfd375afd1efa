//! Names of variables and settings that hold secrets.
//!
//! [`is_secret`] is for what is said of a value: it must hold. [`may_be_secret`] is for what is shown of one: it rather
//! says yes.

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

/// Words before `key` that may as well make it the name under which something is stored, `STORAGE_KEY`, or of what has it.
const MAYBE_KEYS: [&str; 7] = ["account", "admin", "app", "service", "session", "signature", "storage"];

/// Words that make a name one of something public: `public_key`, `allow_empty_password`.
const PUBLIC: [&str; 4] = ["public", "publishable", "pub", "allow"];

/// Words for what is made of a secret, or given to everybody: `token_hash`, `csrf_token`, `next_token`.
const DERIVED: [&str; 6] = ["hash", "hashed", "checksum", "digest", "csrf", "next"];

/// Last words for what is only about a secret: where it is, how long it lasts.
const ABOUT: [&str; 19] = [
    "file",
    "path",
    "dir",
    "name",
    "id",
    "arn",
    "url",
    "uri",
    "endpoint",
    "header",
    "ttl",
    "expiry",
    "expiration",
    "in",
    "lifetime",
    "length",
    "type",
    "algorithm",
    "enabled",
];

/// The shell's folders.
const FOLDERS: [&str; 2] = ["PWD", "OLDPWD"];

/// Whether a value under this name is meant to be secret, by the words of the name: the last ones count, so
/// that `PASSWORD_FIELD` and `TOKEN_EXPIRY` are none.
pub(crate) fn is_secret(name: &str) -> bool {
    let words = words(name);
    // `STRIPE_SECRET_KEY_PROD`, `SECRET_KEY_BASE`: the end says nothing about what it is.
    let environments = [
        "prod",
        "production",
        "staging",
        "dev",
        "live",
        "old",
        "new",
        "value",
        "base",
        "json",
        "base64",
        "1",
        "2",
    ];
    let end = words.iter().rposition(|word| !environments.contains(&&**word)).map_or(0, |last| last + 1);
    let words = &words[..end];
    let Some((last, before)) = words.split_last() else { return false };
    let is_public = words.iter().any(|word| PUBLIC.contains(&&**word) || DERIVED.contains(&&**word));
    let is_key =
        matches!(&**last, "key" | "keys") && before.last().is_some_and(|word| KEYS.contains(&&**word));
    let joined = SECRETS.iter().any(|secret| secret.len() > 4 && last.ends_with(secret));
    let is_public = is_public || FOLDERS.contains(&name);
    !is_public && (SECRETS.contains(&&**last) || joined || is_key || (last == "pass" && !before.is_empty()))
}

/// Whether a name of a secret is as often one of something plain: `SESSION_KEY=shop_sid`, `FETCH_CREDENTIALS=include`.
pub(super) fn is_ambiguous(name: &str) -> bool {
    let words = words(name);
    let is_maybe = |pair: &[String]| MAYBE_KEYS.contains(&&*pair[0]) && matches!(&*pair[1], "key" | "keys");
    let is_certain = |word: &String| {
        SECRETS.contains(&&**word) && !word.starts_with("credential") || matches!(&**word, "pass")
    };
    let has_maybe = words.windows(2).any(is_maybe) || words.iter().any(|word| word.starts_with("credential"));
    has_maybe && !words.iter().any(is_certain)
}

/// Whether a name says that everybody may have the value: `NEXT_PUBLIC_API_KEY`.
pub(super) fn is_public(name: &str) -> bool {
    words(name).iter().any(|word| PUBLIC.contains(&&**word))
}

/// Whether a value under this name may be secret: a word of it speaks of one, and the last does not say that it is only
/// about one.
pub(crate) fn may_be_secret(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last() else { return false };
    let is_about = ABOUT.contains(&&**last) || words.iter().any(|word| PUBLIC.contains(&&**word));
    let speaks = |word: &String| SECRETS.contains(&&**word) || matches!(&**word, "pass" | "salt");
    let is_key = |pair: &[String]| KEYS.contains(&&*pair[0]) && matches!(&*pair[1], "key" | "keys");
    let is_named =
        words.iter().any(speaks) || words.windows(2).any(is_key) || (words.len() > 1 && last == "key");
    is_secret(name) || (is_named && !is_about && !FOLDERS.contains(&name))
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
            "GOOGLE_CREDENTIALS_JSON",
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
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "PWD",
            "OLDPWD",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn any_word_makes_what_may_be_a_secret() {
        for name in [
            "DB_PASSWORD",
            "GITHUB_TOKEN_READONLY",
            "password-salt",
            "STRIPE_KEY",
            "API_KEY_READ",
            "db_pass",
            "jwt_secret",
            "password_hash",
        ] {
            assert!(may_be_secret(name), "{name}");
        }
        for name in [
            "PORT",
            "TOKENIZERS_PARALLELISM",
            "DB_PASSWORD_FILE",
            "NEXT_PUBLIC_API_KEY",
            "TOKEN_TTL",
            "SECRET_NAME",
            "KEYBOARD",
            "AUTH_TOKEN_URL",
            "TOKEN_EXPIRES_IN",
            "AWS_ACCESS_KEY_ID",
            "PWD",
            "",
        ] {
            assert!(!may_be_secret(name), "{name}");
        }
    }
}
