//! What a finding says of a secret, taken out of it before it is told: whoever made the finding may not have known.

use quickserve_core::finding::{Code, Finding};

use crate::code::pattern::Pattern;
use crate::secrets::{self, Found, is_placeholder, is_secret_name};

/// Takes secret values out of findings: lines and hints with one, and the values themselves out of messages.
///
/// A line that gives a value to a name such as `DB_PASSWORD` is not shown whatever the value is: one that is only
/// digits, or a word, has nothing by which it could be known.
pub fn hide(findings: &mut [Finding]) {
    for finding in findings {
        let is_secret = |text: &str| !secrets::find(text).is_empty();
        behind_unknown_key(finding);
        let hides = |line: &str| is_secret(line) || gives_secret(line) || pairs_secret(line);
        let is_hidden = finding.excerpt.as_ref().is_some_and(|excerpt| hides(&excerpt.text));
        if is_hidden {
            finding.excerpt = None;
        }
        // With the line goes a hint that quotes a value of it: `write "123" with quotes`.
        let quotes = |hint: &str| is_hidden && hint.contains('"');
        if finding.hint.as_deref().is_some_and(|hint| is_secret(hint) || quotes(hint)) {
            finding.hint = None;
        }
        finding.message = masked(&finding.message, |_| true);
    }
}

/// The text with three dots for each secret in it whose shape makes sure of it: for what is told beside findings, such as
/// the address that a health check asks.
pub fn mask(text: &str) -> String {
    masked(text, |found| found.certain)
}

/// The text with three dots for each of those secret values in it.
fn masked(text: &str, which: impl Fn(&Found) -> bool) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut end = 0;
    for found in secrets::find(text).into_iter().filter(which) {
        masked.push_str(&text[end..found.span.start]);
        masked.push_str("...");
        end = found.span.end;
    }
    masked.push_str(&text[end..]);
    masked
}

/// Takes away what stands behind a key of a task definition that nobody knows: it may be a misspelt `value`, and then
/// only lines elsewhere say of what.
fn behind_unknown_key(finding: &mut Finding) {
    if finding.code != Code::DEFINITION_UNKNOWN_FIELD {
        return;
    }
    if let Some(excerpt) = &mut finding.excerpt {
        let end = excerpt.text.char_indices().nth(excerpt.start + excerpt.width).map(|(end, _)| end);
        excerpt.text.truncate(end.unwrap_or(excerpt.text.len()));
    }
}

/// Whether a line names a secret as a value and gives it one beside: `"name": "DB_PASSWORD", "valeu": "..."`.
fn pairs_secret(line: &str) -> bool {
    static NAMED: Pattern =
        Pattern::new(r#"\bname["'`]?\s*[:=]\s*["'`]?([A-Za-z_][A-Za-z0-9_.-]*)["'`]?\s*,\s*["'`]?\w"#);
    NAMED.all(line).any(|captures| is_secret_name(&captures[1]))
}

/// Values of settings that are called like secrets: `id-token: write`, `secrets: inherit`.
const SETTINGS: [&str; 9] =
    ["true", "false", "null", "none", "read", "write", "inherit", "pinned", "current"];

/// Whether a line of any format gives a value that stands there to the name of a secret.
fn gives_secret(line: &str) -> bool {
    // `NAME = "value"`, `"name": 12`, `--name=value`, `NAME = ["value"]`, `NAME = { from = "value" }`: in quotes, or one
    // word to its end.
    static ASSIGNMENT: Pattern = Pattern::new(
        r#"([A-Za-z_][A-Za-z0-9_.-]*)["'`]?\s*[:=]>?\s*(?:[\[{(]\s*(?:[A-Za-z_]+\s*[:=]\s*)?)?(?:["'`]([^"'`]+)|([A-Za-z0-9_-]+)(?:[\s,;\]}]|$))"#,
    );
    ASSIGNMENT.all(line).any(|captures| {
        let value = captures.get(2).or_else(|| captures.get(3)).map_or("", |value| value.as_str());
        is_secret_name(&captures[1]) && !is_placeholder(value) && !SETTINGS.contains(&value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickserve_core::document::Source;

    /// Made up for this test, and of the shape of the real thing.
    const TOKEN: &str = concat!("ghp_", "x7Kq2mVd9LwZ4tRb8NcY1sHf6JpG3aQe5UoT");

    fn hidden(line: &str, message: &str, hint: &str) -> Finding {
        let source = Source { file: "f", text: line };
        let mut findings = [source.error(Code::CONFIG_VALUE, &(0..1), message).with_hint(hint)];
        hide(&mut findings);
        let [finding] = findings;
        finding
    }

    #[test]
    fn a_secret_is_in_no_part_of_a_finding() {
        let line = format!("token = \"{TOKEN}\"");
        let finding = hidden(&line, &format!("\"{TOKEN}\" is no port"), &format!("not {TOKEN}"));
        assert_eq!(finding.message, "\"...\" is no port");
        assert_eq!((finding.excerpt, finding.hint), (None, None));
        // It is known by its shape, whatever it is called.
        assert_eq!(hidden(&format!("port = \"{TOKEN}\""), "", "").excerpt, None);
    }

    #[test]
    fn a_value_is_hidden_for_its_name_where_it_has_no_shape() {
        for line in [
            "DB_PASSWORD = 31415926",
            "  db_password: hunter2",
            r#"{ "name": "a", "apiKey" : 271828 }"#,
            "export STRIPE_SECRET_KEY=short",
            "variables = { A = \"1\", SMTP_PASSWORD = 'a b' }",
            r#"      { "name": "SMTP_PASSWORD", "valeu": "hunter2" },"#,
            "- { name: SMTP_PASSWORD, wert: hunter2 }",
            "DB_PASS = [\"kennwort77\"]",
            "DB_PASS = { value = \"kennwort77\" }",
        ] {
            let finding =
                hidden(line, "expected a string, found an integer", "write \"31415926\" with quotes");
            assert_eq!((finding.excerpt, finding.hint), (None, None), "{line}");
        }
    }

    #[test]
    fn a_token_is_masked_in_any_text() {
        let text = format!("probe GET /health?token={TOKEN} of sha256:{}", "4be2".repeat(16));
        assert_eq!(mask(&text), format!("probe GET /health?token=... of sha256:{}", "4be2".repeat(16)));
    }

    #[test]
    fn what_stands_behind_an_unknown_key_is_not_shown() {
        let text = r#"  "valeu": "hunter2" },"#;
        let source = Source { file: "f", text };
        let mut findings = [source.warning(Code::DEFINITION_UNKNOWN_FIELD, &(2..9), "unknown field")];
        hide(&mut findings);
        let excerpt = findings[0].excerpt.as_ref().expect("the key itself is shown");
        assert_eq!(excerpt.text, r#"  "valeu""#);
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for line in [
            "port = \"eighty\"",
            "password",
            "# the password: ",
            "id-token: write",
            "tokens_per_second = 5",
            "password = \"${DB_PASSWORD}\"",
            "const secret = process.env.JWT_SECRET;",
        ] {
            let finding = hidden(line, "expected an integer", "write \"80\" without quotes");
            assert_eq!(
                finding.excerpt.map(|excerpt| excerpt.text).as_deref(),
                Some(line.trim_end()),
                "{line}"
            );
            assert!(finding.hint.is_some(), "{line}");
        }
    }
}
