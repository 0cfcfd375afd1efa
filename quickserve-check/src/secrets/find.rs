//! Secrets in a text of any kind.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::rules::{RULES, SHAPES};
use super::{entropy, is_placeholder, login, name};
use crate::code::pattern::Pattern;

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// What it is, with its article: `a GitHub token`.
    pub rule: &'static str,
    /// Where the secret is, in bytes.
    pub span: Range<usize>,
    /// Whether its shape makes sure of it, as that of a token with a prefix does.
    pub certain: bool,
}

/// How much of the text a shape may take, in bytes.
const REACH: usize = 8 << 10;

/// How far behind a trigger what gives it a value is looked for, in bytes: names are shorter.
const NAME: usize = 256;

/// The longest value that is taken for a secret by its name, in bytes.
const LONGEST: usize = 512;

/// How many secrets of one text are told at most.
const MOST: usize = 50;

/// The secrets in a text, in order. Examples, references and templates are none; see
/// [`is_placeholder`](super::is_placeholder).
pub fn find(text: &str) -> Vec<Found> {
    let Some(triggers) = TRIGGERS.as_ref() else { return Vec::new() };
    let mut found: Vec<Found> = Vec::new();
    let (mut logins, mut login_end): (Vec<Found>, usize) = (Vec::new(), 0);
    let mut web_tokens = WebTokens::default();
    for trigger in triggers.find_iter(text) {
        let start = trigger.start();
        if found.last().is_some_and(|last| start < last.span.end) {
            continue;
        }
        if login::is_login(trigger.as_str()) {
            // The password is somewhere behind: what stands between is looked at as well, but no such command twice.
            if start >= login_end {
                let command = login::command(text, start);
                login_end = start + command.len();
                logins.extend(login::password(command, start));
            }
            continue;
        }
        let one = match trigger.as_str() {
            "://" => password_in_url(text, start),
            name if is_name(name) => assignment(text, trigger.range()),
            head if head.starts_with("eyJ") && !web_tokens.may_be_at(text, start) => None,
            _ => token(text, start),
        };
        found.extend(one);
        if found.len() == MOST {
            break;
        }
    }
    if !logins.is_empty() {
        let overlaps = |login: &Found| {
            let meets =
                |other: &Found| login.span.start < other.span.end && other.span.start < login.span.end;
            found.iter().any(meets)
        };
        logins.retain(|login| !overlaps(login));
        found.extend(logins);
        found.sort_by_key(|found| found.span.start);
        found.truncate(MOST);
    }
    found
}

/// Whether a JSON web token may begin at a place. Its first part may be one of many that begin alike, in one long word: what
/// follows the word is looked at once, and not from each of these beginnings.
#[derive(Default)]
struct WebTokens {
    /// Where the word ends that was looked at last.
    end: usize,
    /// Whether what follows it is the rest of a token.
    is_followed: bool,
}

/// What follows the first part of a JSON web token.
static REST: Pattern = Pattern::new(r"^\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20}");

impl WebTokens {
    fn may_be_at(&mut self, text: &str, start: usize) -> bool {
        if start >= self.end {
            let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
            let word = &text[start..];
            self.end = start + word.find(|char| !is_part(char)).unwrap_or(word.len());
            let rest = &text[self.end..text.floor_char_boundary(self.end + REACH)];
            self.is_followed = REST.is_match(rest);
        }
        self.is_followed && self.end - start < REACH
    }
}

/// Where a secret may begin, or the name of one: looked for in one pass, since nearly all text has none.
static TRIGGERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let tokens: Vec<&str> = RULES.iter().map(|rule| rule.begins).collect();
    Regex::new(&format!("{}|://|{}|{NAMES}", tokens.join("|"), login::BEGINS)).ok()
});

/// What the names of secrets have in them.
const NAMES: &str = concat!(
    r"(?i-u:passw(?:or)?d|pwd|passphrase|secret|token|credential|_pass\b|",
    r"(?:api|access|auth|private|account|storage|app|master|signing|encryption|hmac|cipher)[_.-]?key)",
);

/// Whether a trigger is one of [`NAMES`]. Nearly all are, so that no shape is tried on them in vain.
fn is_name(trigger: &str) -> bool {
    const ENDS: [&str; 9] =
        ["password", "passwd", "pwd", "passphrase", "secret", "token", "credential", "_pass", "key"];
    let ends = |end: &str| {
        let bytes = trigger.as_bytes();
        bytes.len() >= end.len() && bytes[bytes.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
    };
    !trigger.starts_with(['-', ':']) && ENDS.iter().any(|end| ends(end))
}

/// Whether what follows a name may give it a value: an operator stands there, or a type.
fn may_assign(rest: &[u8]) -> bool {
    let rest = &rest[..rest.len().min(NAME)];
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_.-".contains(*byte);
    let after_name = rest.iter().take_while(is_name).count();
    let after = rest[after_name..].iter().find(|byte| !b"\\\"'`] \t".contains(*byte));
    // Go writes `name string = ...`.
    after.is_some_and(|byte| b":=>,?".contains(byte) || *byte == b's')
}

fn token(text: &str, start: usize) -> Option<Found> {
    let rest = reach(text, start);
    let (rule, shape) = RULES.iter().zip(SHAPES.iter()).find_map(|(rule, shape)| {
        let (begins, shape) = shape.as_ref()?;
        begins.is_match(rest).then_some(())?;
        shape.captures(rest)?.get(1).map(|group| (rule, group))
    })?;
    let span = start + shape.start()..start + shape.end();
    let stands_alone = rule.name.ends_with("private key") || is_bounded(text, start, &span);
    let is_example = is_placeholder(&text[span.clone()]) && !rule.name.ends_with("private key");
    (stands_alone && !is_example).then_some(Found { rule: rule.name, span, certain: rule.certain })
}

/// Whether a token begins and ends there, and is not by chance in the middle of a longer text.
fn is_bounded(text: &str, start: usize, span: &Range<usize>) -> bool {
    let goes_on =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_'));
    let bytes = text.as_bytes();
    // A colon and what stands before it belong to the shape.
    let is_joined = matches!(bytes.get(start), Some(b':'));
    let before = start.checked_sub(1).and_then(|before| bytes.get(before));
    let is_escape = start >= 2 && bytes[start - 2] == b'\\';
    (is_joined || is_escape || !goes_on(before)) && !goes_on(bytes.get(span.end))
}

/// `scheme://user:password@host`, from the `://` on.
fn password_in_url(text: &str, start: usize) -> Option<Found> {
    static REST: Pattern =
        Pattern::new(r#"^://([^\s/:@"'`<>(){}\[\]|\\]*):([^\s/@"'`<>]{3,})@([A-Za-z0-9_.{$\[-]+)"#);
    static SCHEME: Pattern = Pattern::new(concat!(
        r"(?:^|[^A-Za-z])(?:postgres(?:ql)?|mysql2?|mariadb|mongodb|rediss?|amqps?|mssql|sqlserver|oracle|",
        r"cockroachdb|clickhouse|kafka|nats|smtps?|ldaps?|s?ftp|https?|elasticsearch)(?:\+[a-z0-9]+)?$",
    ));
    let before = &text[text.floor_char_boundary(start.saturating_sub(24))..start];
    let captures = REST.captures(reach(text, start))?;
    SCHEME.is_match(before).then_some(())?;
    let (user, password, host) = (&captures[1], captures.get(2)?, &captures[3]);
    let value = password.as_str();
    let is_example = is_placeholder(value)
        || value == user
        || value.contains(['$', '{', '*'])
        || (is_placeholder(user) && !entropy::is_random(value) && user.starts_with(['$', '<', '{', '%']))
        || is_example_host(host);
    // What opens only a database beside the code, as in a Compose file, is often a fixed word.
    let is_near = is_local_host(host);
    if is_example || (is_near && !entropy::is_random(value)) {
        return None;
    }
    let span = start + password.start()..start + password.end();
    Some(Found { rule: "a URL with its password", span, certain: !is_near })
}

fn is_example_host(host: &str) -> bool {
    const NAMES: [&str; 8] = [
        "example.com",
        "example.org",
        "example.net",
        "domain.com",
        "yourdomain",
        "your-",
        "myhost",
        "hostname",
    ];
    let host = host.to_ascii_lowercase();
    let is_reserved = matches!(host.rsplit('.').next(), Some("example" | "test" | "invalid" | "host"));
    is_reserved || NAMES.iter().any(|name| host.contains(name))
}

fn is_local_host(host: &str) -> bool {
    !host.contains('.')
        || host.starts_with("127.")
        || host.starts_with("0.0.0.0")
        || host.starts_with("host.docker")
}

/// `name = "value"`, where the name is that of a secret and the value is random. `keyword` lies in the name.
fn assignment(text: &str, keyword: Range<usize>) -> Option<Found> {
    static REST: Pattern = Pattern::new(concat!(
        r#"^([A-Za-z0-9_.-]*)\\?["'`]?\]?\s{0,8}"#,
        // A type between the name and the value, as in TypeScript, Rust and Go.
        r#"(?::\s?&?(?:'static )?(?:[Ss]tring|str)\s{0,8}=|\s?string\s{0,4}=|=>|:=|\?=|=|:|>|,)\s{0,8}"#,
        r#"(?:[Nn]ew |b|u|f|r|@)?(?:\\?"([^"\n\\]{8,})\\?"|'([^'\n\\]{8,})'|`([^`\n\\]{8,})`|"#,
        r#"([A-Za-z0-9+/=_.~!@#%^&*-]{8,}))"#,
    ));
    let bytes = text.as_bytes();
    if !may_assign(&bytes[keyword.end..]) {
        return None;
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let before = bytes[..keyword.start].iter().rev().take(80).take_while(|byte| is_name(byte)).count();
    let name_start = keyword.start - before;
    let captures = REST.captures(reach(text, keyword.end))?;
    let suffix = captures.get(1)?.as_str();
    let name_end = keyword.end + suffix.len();
    let name = &text[name_start..name_end];
    // In an argument list the first one must be a name in quotes: `set("password", "value")`.
    let operator = text[name_end..].trim_start_matches(['\\', '"', '\'', '`', ']', ' ']).chars().next();
    let is_quoted = matches!(bytes.get(name_end), Some(b'"' | b'\'' | b'`' | b'\\'));
    if !name::is_secret(name) || (operator == Some(',') && !is_quoted) {
        return None;
    }
    let bare = captures.get(5);
    let value = (2..=5).find_map(|group| captures.get(group))?;
    let value_start = keyword.end + value.start();
    let written = value.as_str();
    // `arn:aws:secretsmanager:...:secret:name` is one word, and `?token=...` one of a URL, often an example's.
    let is_inner = name_start > 0 && matches!(bytes[name_start - 1], b':' | b'/' | b'?' | b'&' | b'#');
    if bare.is_some() && (is_inner || !is_bare_value(text, value_start + written.len(), written, operator)) {
        return None;
    }
    if let Some(token) = token(text, value_start) {
        return Some(token);
    }
    let is_secret = written.len() <= LONGEST
        && entropy::is_random(written)
        && !is_placeholder(written)
        && !written.contains("://");
    let rule = if is_aws(name, written) { "an AWS secret key" } else { "a value that looks secret" };
    let span = value_start..value_start + written.len();
    is_secret.then(|| Found { rule, span, certain: rule.starts_with("an AWS") })
}

/// Whether what is written without quotes is a value, as in YAML, `.env` and properties, and not code.
fn is_bare_value(text: &str, end: usize, value: &str, operator: Option<char>) -> bool {
    let ends = text[end..].chars().next();
    let is_whole = match operator {
        Some('>') => ends == Some('<'),
        Some(',') => false,
        _ => ends.is_none_or(|char| matches!(char, '\r' | '\n' | ' ' | '"' | '\'' | '\\')),
    };
    let is_path =
        value.matches(['.', '/']).count() >= 2 && value.split(['.', '/']).all(|part| part.len() < 16);
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    is_whole
        && (digits >= 2 || (digits == 1 && value.len() >= 20))
        && !is_path
        && !value.starts_with(['&', '*', '=', '.', '/', '-', '@'])
}

/// The secret half of an AWS key has no prefix: its length and the name tell.
fn is_aws(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    value.len() == 40
        && value.bytes().all(is_base64)
        && (name.contains("aws") || (name.contains("secret") && name.contains("access")))
}

fn reach(text: &str, start: usize) -> &str {
    &text[start..text.floor_char_boundary((start + REACH).min(text.len()))]
}
