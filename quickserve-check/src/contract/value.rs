//! A value that may be secret.

use std::fmt;

/// The value of a variable. It is judged and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    text: String,
    substitutes: bool,
}

impl Value {
    /// A value that stands in a place where nothing is substituted.
    pub fn literal(text: impl Into<String>) -> Self {
        Self { text: text.into(), substitutes: false }
    }

    /// A value in which a `$` stands for another variable.
    pub(crate) fn substituted(text: impl Into<String>) -> Self {
        Self { text: text.into(), substitutes: true }
    }

    /// Whether an application takes it for missing.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it depends on other variables, so that nothing can be said of what it will be.
    pub(crate) fn substitutes(&self) -> bool {
        self.substitutes
    }

    /// The text, for judging only: it goes into no message, hint or excerpt.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_shown() {
        assert_eq!(format!("{:?}", Some(Value::literal("hunter2"))), "Some(Value(..))");
    }
}
