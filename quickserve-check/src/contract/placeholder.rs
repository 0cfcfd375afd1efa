//! Values that stand where a value should be.

/// Words that people write where a value should be.
const WORDS: [&str; 17] = [
    "changeme", "change-me", "change_me", "change me", "todo", "tbd", "fixme", "placeholder", "replaceme", "replace-me",
    "replace_me", "fill-me-in", "your-key-here", "your_key_here", "insert-here", "dummy", "none-yet",
];

/// Beginnings of such values.
const BEGINNINGS: [&str; 6] = ["your-", "your_", "<your", "insert-your", "replace-with", "my-secret-"];

/// Whether a value is none: `changeme`, `xxx`, `sk_live_xxxxx`, `<token>`, `user:password@host`.
pub fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let lower = value.to_lowercase();
    let bracketed = (value.starts_with('<') && value.ends_with('>')) || (value.starts_with("{{") && value.ends_with("}}"));
    WORDS.contains(&&*lower)
        || BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning))
        || bracketed
        || is_crossed_out(&lower)
        || lower.contains("://user:password@")
        || lower.contains("://username:password@")
        || lower.contains("://<")
}

/// All `x`, `*` or `.` but for a prefix such as `sk_live_`.
fn is_crossed_out(value: &str) -> bool {
    let last = value.rsplit(['_', '-', '.', ':']).next().unwrap_or_default();
    let crossed = |text: &str, mark: char| text.len() >= 3 && text.chars().all(|char| char == mark);
    crossed(last, 'x') || crossed(value, '*') || crossed(value, '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_values() {
        let placeholders = [
            "changeme", "ChangeMe", "xxx", "xxxxx", "sk_live_xxxxx", "<token>", "your-api-key", "TODO", "****",
            "postgresql://user:password@host:5432/dbname", "{{ token }}",
        ];
        placeholders.iter().for_each(|value| assert!(is_placeholder(value), "{value}"));
        let values = [
            "", "production", "3000", "us-east-1", "quickserve-uploads", "info", "x", "xx", "https://api.example.com",
            "postgresql://shop:s3cret@db/shop", "maxxx1", "linux", "box",
        ];
        values.iter().for_each(|value| assert!(!is_placeholder(value), "{value}"));
    }
}
