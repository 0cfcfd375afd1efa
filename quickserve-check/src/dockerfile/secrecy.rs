//! What is a secret, as far as a Dockerfile and its context need to know beside what [`secrets`] says of names and
//! values: what everybody guesses, addresses with passwords, files, and lines.

use crate::secrets::{self, is_placeholder, is_secret_under, may_be_secret};

/// Whether a value is a key by its shape alone.
pub(crate) fn is_key(value: &str) -> bool {
    secrets::find(value).iter().any(|found| found.certain)
}

/// Whether a value stands for one that is to come: where there is a dollar sign, the builder or a shell fills it in.
pub(crate) fn is_filled_in(value: &str) -> bool {
    value.contains('$') || is_placeholder(value)
}

/// Whether everybody guesses it: wrong in an image, and no secret that can leak.
pub(crate) fn is_guessed(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let is_short = value.len() < 4 && !is_filled_in(&value);
    is_short || ["password", "secret", "root", "admin", "test", "postgres", "development"].contains(&&*value)
}

/// Whether a value is a secret that can leak, under a name that says that it is one.
pub(crate) fn is_kept(value: &str) -> bool {
    !is_filled_in(value) && !is_guessed(value)
}

/// Whether a URL holds a password: `scheme://user:password@host`.
pub(crate) fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.split_once(':').is_some_and(|(_, password)| is_kept(password))
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
    private || is_bare_key(text) || text.lines().any(holds_token)
}

/// Whether a file is one key and nothing else: Rails writes `config/master.key` so, in hexadecimal digits.
pub(crate) fn is_bare_key(text: &str) -> bool {
    let text = text.trim();
    matches!(text.len(), 32 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A line of `.npmrc`, `.netrc`, `.pypirc` or `.git-credentials` with a token in it.
fn holds_token(line: &str) -> bool {
    let after = |mark: &str| line.split_once(mark).map(|(_, value)| value.trim().trim_matches('"'));
    let value = after("_authToken=").or_else(|| after("_password=")).or_else(|| after("password "));
    let value = value.or_else(|| line.starts_with("password").then(|| after("=")).flatten());
    value.is_some_and(|value| !is_filled_in(value)) || has_password(line)
}

/// Whether a file of values holds one that is a secret.
pub(crate) fn has_secret_value(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            return false;
        };
        let value = value.trim().trim_matches(['"', '\'']);
        let named = is_secret_under(name.trim(), value) && is_kept(value);
        named || is_key(value) || has_password(value)
    })
}

/// Whether a line may show a secret: `NAME=value`, `--password value`, `-u user:password`, a key by its shape.
/// It rather says yes: then the line is not shown.
pub(crate) fn shows_secret(line: &str) -> bool {
    let is_secret = |name: &str| {
        let name = name.rsplit([':', '/', '.']).next().unwrap_or_default().trim_start_matches('-');
        may_be_secret(name)
    };
    // MySQL's clients take the password behind `-p`, without a blank.
    let is_mysql = ["mysql", "mariadb", "sshpass"].iter().any(|client| line.contains(client));
    let mut before = "";
    line.split(|char: char| char.is_whitespace() || matches!(char, '"' | '\'' | ';' | ',')).any(|word| {
        let named = word.split_once('=').is_some_and(|(name, value)| is_secret(name) && !is_filled_in(value));
        let follows = (is_secret(before) || matches!(before, "-u" | "--user") && word.contains(':'))
            && !word.contains('=')
            && !is_filled_in(word);
        let value = word.rsplit('=').next().unwrap_or_default();
        if !word.is_empty() {
            before = word;
        }
        let joined =
            is_mysql && word.strip_prefix("-p").is_some_and(|value| value.len() > 2 && !is_filled_in(value));
        named || follows || joined || is_key(value) || word.split('=').any(has_password)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_secret_guessed_or_to_come() {
        for value in
            ["", "xxx", "changeme", "<token>", "${TOKEN}", "sk_live_xxxxx", "your-key-here", "a$B", "dummy"]
        {
            assert!(is_filled_in(value) && !is_kept(value), "{value}");
        }
        for value in ["root", "Password", "x9"] {
            assert!(is_guessed(value) && !is_kept(value), "{value}");
        }
        assert!(is_kept("4f9a8e21c0"));
        assert!(!is_guessed("no") && !is_guessed("0") && !is_guessed(""));
        assert!(has_password("postgres://app:4f9a8e21c0@db/x"));
        assert!(!has_password("postgres://user:password@host:5432/dbname"));
        assert!(!has_password("https://host/a:b@c"));
    }

    #[test]
    fn a_line_with_a_password_is_not_shown() {
        for line in ["RUN mysql -u root -phunter2zz -e x ||", "ENV DB_PASSWORD=hunter2", "curl -u a:b0b0b0"] {
            assert!(shows_secret(line), "{line}");
        }
        for line in ["RUN mkdir -p /data && mysql --version", "RUN mysql -p$PASSWORD", "ENV PORT=3000"] {
            assert!(!shows_secret(line), "{line}");
        }
    }

    #[test]
    fn files_of_secrets_are_known() {
        assert!(
            is_key_file("id_rsa")
                && is_key_file("tls.key")
                && !is_key_file("id_rsa.pub")
                && !is_key_file(".key")
        );
        assert!(
            is_bare_key("0123456789abcdef0123456789abcdef\n") && !is_bare_key("0123") && !is_bare_key("x")
        );
        assert!(has_secret_value("PORT=1\nexport DB_PASSWORD='4f9a8e21c0'\n"));
        assert!(!has_secret_value("# DB_PASSWORD=4f9a8e21c0\nDB_PASSWORD=\nPORT=3000"));
        assert!(
            has_key("//registry.npmjs.org/:_authToken=4f9a8e21c0")
                && !has_key("//x/:_authToken=${NPM_TOKEN}")
        );
    }
}
