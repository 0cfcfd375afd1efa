//! Passwords that a command gets as an argument: `docker login -p`, `curl -u user:password`.

use super::find::Found;
use super::{entropy, is_placeholder};

/// Where such a command begins, as an expression.
pub(super) const BEGINS: &str =
    r"(?-u:\b)curl[ \x22',\t]|(?-u:\b)(?:docker|podman|buildah|skopeo|nerdctl|helm registry)[ \t]+login[ \t]";

/// The longest command that is read, in bytes.
const REACH: usize = 2 << 10;

/// Whether a trigger is one of these.
pub(super) fn is_login(trigger: &str) -> bool {
    trigger.starts_with("curl") || trigger.trim_end().ends_with("login")
}

/// The command that begins there, as much of it as is read.
pub(super) fn command(text: &str, start: usize) -> &str {
    let rest = &text[start..text.floor_char_boundary((start + REACH).min(text.len()))];
    &rest[..end(rest)]
}

/// The password in a command, which begins at `start`.
pub(super) fn password(command: &str, start: usize) -> Option<Found> {
    let is_curl = command.starts_with("curl");
    let (short, long) = if is_curl { ("-u", "--user") } else { ("-p", "--password") };
    let mut follows = false;
    for word in words(command) {
        let value = match word.text.strip_prefix(long) {
            _ if follows => Some(word.text),
            Some(rest) => rest.strip_prefix('='),
            None => word.text.strip_prefix(short).filter(|value| !value.is_empty()),
        };
        follows = word.text == short || word.text == long || (is_curl && ends_with_user(word.text));
        let Some(value) = value else { continue };
        let secret = if is_curl { value.split_once(':').map(|(_, password)| password) } else { Some(value) };
        let user = value.split(':').next().filter(|_| is_curl);
        let secret = secret.filter(|secret| user != Some(secret) && is_password(secret, command))?;
        let end = start + word.start + word.text.len();
        return Some(Found {
            rule: "a login with its password",
            span: end - secret.len()..end,
            certain: entropy::is_random(secret),
        });
    }
    None
}

/// `-su`, `-fsSLu`: options in one word, of which the last takes the next one. Those before it take none (curl's manual).
fn ends_with_user(word: &str) -> bool {
    let options = word.strip_prefix('-').and_then(|options| options.strip_suffix('u'));
    options.is_some_and(|options| {
        !options.is_empty() && options.bytes().all(|option| b"fgiIjklLnNOpqRsSvZ#0123456".contains(&option))
    })
}

/// A database beside the code, and a service on this machine, have passwords that open nothing.
fn is_password(value: &str, command: &str) -> bool {
    let is_filled_in = value.contains(['$', '{', '<', '*', '`', '%', '(']);
    let is_near = ["localhost", "127.0.0.1", "0.0.0.0"].iter().any(|host| command.contains(host));
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let is_weak = value.len() < 6 || is_number || (is_near && !entropy::is_random(value));
    !is_filled_in && !is_weak && !value.starts_with('-') && !is_placeholder(value)
}

struct Word<'t> {
    start: usize,
    text: &'t str,
}

/// The words of a command, or of a JSON list of them, without quotes.
fn words(command: &str) -> impl Iterator<Item = Word<'_>> {
    let is_between = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | ',' | '\\');
    let mut at = 0;
    command
        .split(is_between)
        .map(move |text| {
            let start = at;
            // Each of what stands between is one byte, but for blanks of other scripts.
            at += text.len() + command[start + text.len()..].chars().next().map_or(0, char::len_utf8);
            Word { start, text }
        })
        .filter(|word| !word.text.is_empty())
}

/// Where the command ends: at the end of a line that does not go on, or at an operator.
fn end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |at: usize| match bytes[at] {
        b'\n' => !text[..at].trim_end_matches('\r').ends_with('\\'),
        b';' | b'|' => true,
        b'&' => bytes.get(at + 1) == Some(&b'&'),
        _ => false,
    };
    (0..bytes.len()).find(|at| ends(*at)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use crate::secrets::find;

    fn found(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|found| &text[found.span]).collect()
    }

    #[test]
    fn a_password_among_the_arguments_is_found() {
        for text in [
            "docker login -u me -p Tr0ub4dor3x",
            "RUN docker login --password=Tr0ub4dor3x --username me r.io",
            "docker login r.io \\\n  --username me \\\n  --password 'Tr0ub4dor3x'",
            "curl -fsS -u admin:Tr0ub4dor3x https://h.io/x",
            "curl https://h.io --user \"admin:Tr0ub4dor3x\" -o x",
            "curl -uadmin:Tr0ub4dor3x https://h.io",
            "curl -fsSLu admin:Tr0ub4dor3x https://h.io",
            r#"["CMD-SHELL","curl","-u","admin:Tr0ub4dor3x"]"#,
        ] {
            assert_eq!(found(text), ["Tr0ub4dor3x"], "{text}");
        }
        let token = concat!("ghp_", "x7Kq2mVd9LwZ4tRb8NcY1sHf6JpG3aQe5UoT");
        let both = format!("curl -H 'authorization: bearer {token}' -u a:Tr0ub4dor3x h.io");
        assert_eq!(found(&both), [token, "Tr0ub4dor3x"], "neither hides the other");
    }

    #[test]
    fn what_is_filled_in_or_an_example_is_none() {
        for text in [
            "echo $P | docker login -u me --password-stdin r.io",
            "docker login -u me -p $PASSWORD",
            "docker login -u me -p ${{ secrets.TOKEN }}",
            "docker login -u me -p \"$(cat token)\"",
            "docker login -u me -p <password>",
            "docker run -p 8080:80 app",
            "docker login r.io && docker run -p 127.0.0.1:8080:80 app",
            "curl -u user:password https://h.io",
            "curl -u elastic:changeme https://h.io",
            "curl -u admin:admin https://h.io",
            "curl -u admin: https://h.io",
            "curl -u $USER:$PASSWORD https://h.io",
            "curl -u elastic:secretpw http://localhost:9200",
            "curl https://h.io; ps -u root:wheel1",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
