//! What is a secret, as far as a Dockerfile and its context need to know: names of variables, values that are none,
//! and files.

/// Words in a name that make its value a secret.
const SECRET_WORDS: [&str; 12] = [
    "SECRET",
    "SECRETS",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PWD",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTHTOKEN",
    "PASS",
];

/// The same, of two words.
const SECRET_PAIRS: [&str; 7] =
    ["API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "SECRET_KEY", "ENCRYPTION_KEY", "SIGNING_KEY", "AUTH_KEY"];

/// What a name ends in that speaks of a secret and holds none.
const ABOUT: [&str; 17] = [
    "_FILE",
    "_PATH",
    "_DIR",
    "_NAME",
    "_ID",
    "_ARN",
    "_URL",
    "_URI",
    "_HEADER",
    "_TTL",
    "_EXPIRY",
    "_EXPIRATION",
    "_EXPIRES_IN",
    "_LENGTH",
    "_TYPE",
    "_ALGORITHM",
    "_ENABLED",
];

/// Whether the value of a variable of that name is a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let public = ["PUBLIC", "PUBLISHABLE", "ALLOW_EMPTY"].iter().any(|word| name.contains(word));
    if public || name == "PWD" || name == "OLDPWD" || ABOUT.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    name.split('_').any(|word| SECRET_WORDS.contains(&word))
        || SECRET_PAIRS.iter().any(|pair| name.contains(pair))
}

/// Beginnings that only a real key has, and how long one is at least.
const KEY_SHAPES: [(&str, usize); 12] = [
    ("AKIA", 20),
    ("ASIA", 20),
    ("sk_live_", 24),
    ("rk_live_", 24),
    ("ghp_", 40),
    ("gho_", 40),
    ("ghs_", 40),
    ("github_pat_", 60),
    ("glpat-", 26),
    ("xoxb-", 40),
    ("npm_", 40),
    ("AIza", 39),
];

/// Whether a value is a key by its shape alone.
pub(crate) fn is_key(value: &str) -> bool {
    let shaped = |(start, length): &(&str, usize)| {
        value.starts_with(start) && value.len() >= *length && !value.chars().any(char::is_whitespace)
    };
    !is_placeholder(value) && KEY_SHAPES.iter().any(shaped)
}

/// Whether a value stands for one that is to come: of the template, empty, or a reference to another.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let words = [
        "",
        "dummy",
        "placeholder",
        "example",
        "null",
        "none",
        "undefined",
        "true",
        "false",
        "0",
        "1",
        "todo",
        "unset",
        "fake",
        "build",
        "not-set",
        "empty",
        "secret_key_base_dummy",
    ];
    let parts = [
        "changeme",
        "change-me",
        "change_me",
        "xxx",
        "your-",
        "your_",
        "replace",
        "placeholder",
        "dummy",
        "example",
        "insert",
        "notasecret",
        "not-a-secret",
        "***",
        "...",
    ];
    words.contains(&&*value)
        || parts.iter().any(|part| value.contains(part))
        || value.contains('$')
        || value.starts_with('<')
        || value.starts_with("{{")
}

/// Whether everybody guesses it: wrong in an image, and no secret that can leak.
pub(crate) fn is_weak(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.len() < 4
        || ["password", "secret", "root", "admin", "test", "postgres", "development"].contains(&&*value)
}

/// Whether a URL holds a password: `scheme://user:password@host`.
pub(crate) fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.split_once(':').is_some_and(|(_, password)| !is_placeholder(password) && !is_weak(password))
}

/// Whether a file holds values of an environment: `.env` and `.env.production`, not `.env.example`.
pub(crate) fn is_env_file(name: &str) -> bool {
    let is_template = ["example", "sample", "template", "dist", "defaults", "schema", "tmpl", "tpl", "vault"]
        .iter()
        .any(|word| name.ends_with(word));
    (name == ".env" || name.starts_with(".env.") || name == ".envrc") && !is_template
}

/// Whether a file by that name is a key, or holds one.
pub(crate) fn is_key_file(name: &str) -> bool {
    let ends = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".ppk"];
    let names =
        ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".npmrc", ".netrc", ".pypirc", ".git-credentials"];
    names.contains(&name) || ends.iter().any(|end| name.len() > end.len() && name.ends_with(end))
}

/// Whether the text of a key file holds a key.
pub(crate) fn has_key(text: &str) -> bool {
    let private = text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----");
    private || text.lines().any(holds_token)
}

/// A line of `.npmrc`, `.netrc`, `.pypirc` or `.git-credentials` with a token in it.
fn holds_token(line: &str) -> bool {
    let after = |mark: &str| line.split_once(mark).map(|(_, value)| value.trim().trim_matches('"'));
    let value = after("_authToken=").or_else(|| after("_password=")).or_else(|| after("password "));
    let value = value.or_else(|| line.starts_with("password").then(|| after("=")).flatten());
    value.is_some_and(|value| !is_placeholder(value)) || has_password(line)
}

/// Whether a file of values holds one that is a secret.
pub(crate) fn has_secret_value(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            return false;
        };
        let value = value.trim().trim_matches(['"', '\'']);
        let named = is_secret_name(name.trim()) && !is_placeholder(value) && !is_weak(value);
        named || is_key(value) || has_password(value)
    })
}

/// Whether a line may show a secret: `NAME=value`, `--password value`, `-u user:password`, a key by its shape.
/// It rather says yes: then the line is not shown.
pub(crate) fn shows_secret(line: &str) -> bool {
    let is_secret = |name: &str| {
        let name = name.rsplit([':', '/', '.']).next().unwrap_or_default().trim_start_matches('-');
        is_secret_name(&name.replace('-', "_"))
    };
    let mut before = "";
    line.split(|char: char| char.is_whitespace() || matches!(char, '"' | '\'' | ';' | ',')).any(|word| {
        let named =
            word.split_once('=').is_some_and(|(name, value)| is_secret(name) && !is_placeholder(value));
        let follows = (is_secret(before) || matches!(before, "-u" | "--user") && word.contains(':'))
            && !word.contains('=')
            && !is_placeholder(word);
        let value = word.rsplit('=').next().unwrap_or_default();
        if !word.is_empty() {
            before = word;
        }
        named || follows || is_key(value) || word.split('=').any(has_password)
    })
}

/// Whether a file is there for tests, examples or documentation.
pub(crate) fn is_fixture(path: &str) -> bool {
    let words = [
        "test",
        "tests",
        "spec",
        "fixtures",
        "testdata",
        "examples",
        "example",
        "docs",
        "mocks",
        "__tests__",
    ];
    path.split('/').any(|part| words.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known() {
        for name in ["DB_PASSWORD", "STRIPE_API_KEY", "NPM_TOKEN", "AWS_SECRET_ACCESS_KEY", "jwt_secret"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "TOKENIZERS_PARALLELISM",
            "DB_PASSWORD_FILE",
            "NEXT_PUBLIC_API_KEY",
            "TOKEN_TTL",
            "SECRET_NAME",
            "KEYBOARD",
            "AUTH_TOKEN_URL",
            "PWD",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn values_that_are_none_are_known() {
        for value in ["", "xxx", "changeme", "<token>", "${TOKEN}", "sk_live_xxxxx", "your-key-here", "dummy"]
        {
            assert!(is_placeholder(value), "{value}");
        }
        assert!(!is_placeholder("4f9a8e21c0"));
        assert!(has_password("postgres://app:4f9a8e21c0@db/x"));
        assert!(!has_password("postgres://user:password@host:5432/dbname"));
        assert!(!has_password("https://host/a:b@c"));
    }

    #[test]
    fn files_of_secrets_are_known() {
        assert!(is_env_file(".env") && is_env_file(".env.production"));
        assert!(!is_env_file(".env.example") && !is_env_file(".environment"));
        assert!(
            is_key_file("id_rsa")
                && is_key_file("tls.key")
                && !is_key_file("id_rsa.pub")
                && !is_key_file(".key")
        );
        assert!(has_secret_value("PORT=1\nexport DB_PASSWORD='4f9a8e21c0'\n"));
        assert!(!has_secret_value("# DB_PASSWORD=4f9a8e21c0\nDB_PASSWORD=\nPORT=3000"));
        assert!(
            has_key("//registry.npmjs.org/:_authToken=4f9a8e21c0")
                && !has_key("//x/:_authToken=${NPM_TOKEN}")
        );
    }
}
