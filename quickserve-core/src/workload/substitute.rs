//! `${NAME}` in the strings of a task definition. `$${` is a literal `${`.

use std::collections::BTreeMap;
use std::fmt;

/// A placeholder that has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The placeholder as it stands, such as `${IMAGE_TAG}`.
    pub text: String,
    /// What is between the braces.
    pub name: String,
}

impl Unresolved {
    /// What a person may do about it.
    pub(crate) fn hint(&self) -> String {
        if is_name(&self.name) {
            format!(
                "set {} for this command, or write $${{{}}} to mean the text itself",
                self.name, self.name
            )
        } else {
            "a placeholder is ${NAME}, a name of letters, digits and underscores; $${ stands for ${"
                .to_owned()
        }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_name(&self.name) {
            write!(f, "{} has no value", self.text)
        } else {
            write!(f, "{} is not a placeholder", self.text)
        }
    }
}

/// Fills in every `${NAME}`.
///
/// # Errors
/// All placeholders that have no value, in the order of the text.
pub fn strict(text: &str, values: &BTreeMap<String, String>) -> Result<String, Vec<Unresolved>> {
    let mut unresolved = Vec::new();
    let filled = fill(text, |placeholder| {
        let value = values.get(&placeholder.name).cloned();
        if value.is_none() {
            unresolved.push(placeholder);
        }
        value
    });
    if unresolved.is_empty() { Ok(filled) } else { Err(unresolved) }
}

/// Fills in every `${NAME}` that has a value and leaves the others to a shell.
pub fn for_shell(text: &str, values: &BTreeMap<String, String>) -> String {
    fill(text, |placeholder| values.get(&placeholder.name).cloned())
}

fn fill(text: &str, mut value: impl FnMut(Unresolved) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        filled.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(after) = rest.strip_prefix("$${") {
            filled.push_str("${");
            rest = after;
        } else if let Some(inside) = rest.strip_prefix("${") {
            let end = inside.find('}');
            let name = &inside[..end.unwrap_or(inside.len())];
            let length = 2 + name.len() + usize::from(end.is_some());
            let placeholder = Unresolved { text: rest[..length].to_owned(), name: name.to_owned() };
            if let Some(value) = value(placeholder) {
                filled.push_str(&value);
                rest = &rest[length..];
            } else {
                filled.push_str("${");
                rest = inside;
            }
        } else {
            filled.push('$');
            rest = &rest[1..];
        }
    }
    filled + rest
}

/// Whether it is a variable's name as shells have them: POSIX, "Name".
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> BTreeMap<String, String> {
        BTreeMap::from([("TAG".to_owned(), "1.8.2".to_owned()), ("ODD".to_owned(), "${TAG}".to_owned())])
    }

    #[test]
    fn known_names_are_filled_in_once() {
        assert_eq!(strict("app:${TAG}-${TAG}", &values()).expect("known"), "app:1.8.2-1.8.2");
        assert_eq!(strict("${ODD}", &values()).expect("known"), "${TAG}");
    }

    #[test]
    fn two_dollars_escape_and_a_lone_dollar_is_a_dollar() {
        assert_eq!(strict("$${TAG} $5 $$ $", &values()).expect("no placeholder"), "${TAG} $5 $$ $");
        assert_eq!(strict("$$${TAG}", &values()).expect("escaped"), "$${TAG}");
    }

    #[test]
    fn all_unknown_names_are_reported() {
        let unresolved = strict("${A}/${TAG}/${B:-x}/${C", &values()).expect_err("unknown");
        let shown: Vec<String> = unresolved.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["${A} has no value", "${B:-x} is not a placeholder", "${C has no value"]);
    }

    #[test]
    fn a_shell_keeps_what_we_do_not_know() {
        let filled = for_shell("curl localhost:${PORT}/${TAG} || ${PORT:-${TAG}}", &values());
        assert_eq!(filled, "curl localhost:${PORT}/1.8.2 || ${PORT:-1.8.2}");
    }

    proptest! {
        #[test]
        fn text_without_a_dollar_is_left_alone(text in "[^$]*") {
            prop_assert_eq!(strict(&text, &values()).expect("no placeholder"), text);
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = strict(&text, &values());
            let _ = for_shell(&text, &values());
        }
    }
}
