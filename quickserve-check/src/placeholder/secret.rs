//! Values that stand where a secret goes and are none: examples, references to where the secret is, templates.

use super::{awaits_person, foreign};
use crate::code::pattern::Pattern;

/// Whether a value is no secret whatever its name: empty, an example, a reference, a template.
///
/// ```
/// use quickserve_check::secrets::is_placeholder;
///
/// assert!(is_placeholder("sk_live_xxxxx"));
/// assert!(is_placeholder("${DB_PASSWORD}"));
/// assert!(!is_placeholder("q8Zr1Lw0Tn5Vx2Kb"));
/// ```
pub fn is_placeholder(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'', '`']);
    let lower = value.to_ascii_lowercase();
    value.is_empty()
        || is_reference(value)
        || PUBLISHED.iter().any(|known| value.contains(known))
        || IN_EXAMPLES.iter().any(|word| lower.contains(word))
        || is_all_words(&lower)
        || awaits_person(value)
        || foreign(value) == Some(value)
        || has_sequence(value.as_bytes())
        || has_run(value.as_bytes())
}

/// Secrets that a manual prints for all to use.
const PUBLISHED: [&str; 3] = [
    // jwt.io's first example.
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    // Azurite, the emulator of Azure's storage.
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",
    // The emulator of Cosmos DB.
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw",
];

/// What people write where a value goes. Long enough not to come about by chance in a random text.
const IN_EXAMPLES: [&str; 37] = [
    "example",
    "placeholder",
    "change_me",
    "change-me",
    "changeme",
    "changeit",
    "change-this",
    "change_this",
    "changethis",
    "replaceme",
    "replace-me",
    "replace_me",
    "replace-with",
    "replace_with",
    "redacted",
    "dummy",
    "xxxx",
    "your_",
    "your-",
    "yourpass",
    "yoursecret",
    "yourtoken",
    "yourkey",
    "yourapi",
    "insert",
    "_here",
    "-here",
    "goes-here",
    "not-a-real",
    "notreal",
    "not-secret",
    "insecure",
    "foobar",
    "deadbeef",
    "qwerty",
    "letmein",
    "****",
];

/// Words that make an example where there is no other.
const WORDS: [&str; 73] = [
    "a",
    "abc",
    "access",
    "admin",
    "api",
    "app",
    "auth",
    "aws",
    "bar",
    "baz",
    "bearer",
    "build",
    "client",
    "database",
    "db",
    "default",
    "demo",
    "dev",
    "development",
    "empty",
    "fake",
    "false",
    "foo",
    "github",
    "guest",
    "jwt",
    "key",
    "live",
    "local",
    "localhost",
    "mock",
    "mongo",
    "my",
    "mysecret",
    "mypassword",
    "mysql",
    "nil",
    "no",
    "none",
    "not",
    "null",
    "of",
    "off",
    "on",
    "pass",
    "passwd",
    "password",
    "pg",
    "postgres",
    "private",
    "prod",
    "production",
    "pwd",
    "rails",
    "redis",
    "root",
    "secret",
    "session",
    "set",
    "sk",
    "string",
    "stripe",
    "super",
    "test",
    "the",
    "todo",
    "token",
    "true",
    "undefined",
    "unset",
    "user",
    "value",
    "yes",
];

/// A value that says where the secret is, or that something else fills in.
fn is_reference(value: &str) -> bool {
    static REFERENCE: Pattern = Pattern::new(concat!(
        r"^(?:",
        // Substitution by a shell, a template, CloudFormation, Windows, PHP, Perl or a format string.
        r"[$][A-Za-z_({\[]|.*[$]\{|.*\{\{|.*<%|.*#\{|<|%[A-Za-z_(]|.*%[sd({]|\{[A-Za-z0-9_.]*\}|!\w|@\w|&\w",
        // Secrets that are sealed, or in a store.
        r"|ENC[\[(]|\{cipher\}|vault[:/]|arn:|op://|sm://|ssm:|secretsmanager:|awssm|secretref:|ref\+|keyvault|",
        r"projects/|gcp:|doppler:|akv:|file:|env:",
        // Code that reads it.
        r"|(?:process\.env|import\.meta|os\.|System\.|ENV\b|getenv|env\(|config[.(\[]|settings\.|self\.|this\.)",
        // Hashes, which are kept so that the secret is not.
        r"|\$2[aby]?\$|\$argon2|\$pbkdf2|pbkdf2_|sha(?:1|256|384|512)[-:]|md5[-:]|\{SHA\}|scrypt:",
        // Files, which hold it.
        r"|(?:\.{0,2}|~)/[\w./-]+$|.*\.(?:pem|key|crt|json|txt|ya?ml)$",
        r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$|data:|\.\.\.)",
    ));
    REFERENCE.is_match(value) || value.contains("...") || value.contains('…')
}

/// Whether nothing is there but words such as `test-password` and small numbers.
fn is_all_words(lower: &str) -> bool {
    let is_small = |part: &str| part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    lower.split(|char: char| !char.is_alphanumeric()).all(|part| {
        let word = part.trim_end_matches(|char: char| char.is_ascii_digit());
        part.is_empty() || is_small(part) || (part.len() - word.len() <= 4 && WORDS.contains(&word))
    })
}

/// Whether six characters count up, as in `123456` and `abcdef`.
fn has_sequence(bytes: &[u8]) -> bool {
    has_stretch(bytes, 6, |one, next| one.is_ascii_alphanumeric() && next == one + 1)
}

/// Whether one character stands five times in a row, as in `xxxxx` and `00000`.
fn has_run(bytes: &[u8]) -> bool {
    has_stretch(bytes, 5, |one, next| next == one && one != b'=')
}

fn has_stretch(bytes: &[u8], least: usize, goes_on: impl Fn(u8, u8) -> bool) -> bool {
    let mut length = 1;
    bytes.windows(2).any(|pair| {
        length = if goes_on(pair[0], pair[1]) { length + 1 } else { 1 };
        length >= least
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_references_and_templates_are_placeholders() {
        let values = [
            "",
            "sk_live_xxxxx",
            "xxxxx",
            "changeme",
            "your-api-key",
            "<password>",
            "${DB_PASSWORD}",
            "$TOKEN",
            "{{ .Values.password }}",
            "%DB_PASSWORD%",
            "password",
            "test-password-1",
            "postgres",
            "my_secret_key",
            "AKIAIOSFODNN7EXAMPLE",
            "arn:aws:secretsmanager:us-east-1:xxx:secret:db-url",
            "op://vault/item/field",
            "123456789",
            "abcdef0123",
            "********",
            "/run/secrets/db",
            "process.env.TOKEN",
            "%(password)s",
            "550e8400-e29b-41d4-a716-446655440000",
            "ENC[PKCS7,Mii9x]",
            "!Ref DbPassword",
            "sk_live_...",
        ];
        for value in values {
            assert!(is_placeholder(value), "{value}");
        }
    }

    #[test]
    fn what_could_open_a_door_is_none() {
        for value in ["hunter2", "q8Zr1Lw0Tn5Vx2Kb", "S3cr!tPw9", "9f3c1ab77de04512c6b0a9e8", "Tr0ub4dor&3"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
