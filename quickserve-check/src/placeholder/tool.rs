//! Placeholders that other tools fill in: `<IMAGE1_NAME>` of AWS pipelines, and what people replace with `sed`,
//! `envsubst`, Jinja and the like.
//!
//! Whether somebody fills them in cannot be seen, so nothing is said of the text around them.

/// How such placeholders begin and end.
const MARKS: &[(&str, &str)] =
    &[("<", ">"), ("{{", "}}"), ("#{", "}"), ("%", "%"), ("__", "__"), ("@@", "@@")];

/// The first placeholder of another tool in a text.
pub(crate) fn foreign(text: &str) -> Option<&str> {
    let marked = MARKS.iter().find_map(|(open, close)| {
        let start = text.find(open)?;
        let inside = &text[start + open.len()..];
        let length = inside.find(close)?;
        let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | ' ');
        let named = length > 0 && inside[..length].chars().all(is_name);
        named.then(|| &text[start..start + open.len() + length + close.len()])
    });
    marked.or_else(|| shell_variable(text))
}

/// `$NAME`, which `envsubst` would fill in and the definition's own placeholders do not.
fn shell_variable(text: &str) -> Option<&str> {
    let start = text.find('$')?;
    let name = &text[start + 1..];
    let end = name.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(name.len());
    let named = name[..end].starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    named.then(|| &text[start..=start + end])
}

/// Whether a word stands for something that people are to write, such as `ACCOUNT_ID` and `your-region`.
pub(crate) fn is_stand_in(word: &str) -> bool {
    let shouted = word.chars().any(|char| char.is_ascii_uppercase())
        && word.chars().all(|char| char.is_ascii_uppercase() || char == '_' || char.is_ascii_digit());
    let lower = word.to_ascii_lowercase();
    shouted || ["account", "region"].iter().any(|name| lower.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_other_tools_are_known() {
        let cases = [
            ("<IMAGE1_NAME>", "<IMAGE1_NAME>"),
            ("arn:aws:iam::<aws account id>:role/x", "<aws account id>"),
            ("app:{{ version }}", "{{ version }}"),
            ("app:$TAG-x", "$TAG"),
            ("app:__TAG__", "__TAG__"),
        ];
        for (text, expected) in cases {
            assert_eq!(foreign(text), Some(expected), "{text}");
        }
        for plain in ["app:1.8.2", "a < b", "100 %", "$", "$5", "my__app", ""] {
            assert_eq!(foreign(plain), None, "{plain}");
        }
        assert!(is_stand_in("AWS_ACCOUNT_ID") && !is_stand_in("xxx") && !is_stand_in("123456789012"));
    }
}
