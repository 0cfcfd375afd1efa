//! The contract of variables: a file such as `.env.example` that declares which variables a service needs.
//!
//! A plain file will do: every name in it is required, unless a line of the comment right above it, or behind it,
//! begins with the word `optional`:
//!
//! ```text
//! DATABASE_URL=postgresql://user:password@host:5432/dbname
//! # optional: the service logs at "info" without it
//! LOG_LEVEL=info
//! SENTRY_DSN=  # optional
//! ```
//!
//! Values are skipped over and never kept.

use std::collections::BTreeSet;

use crate::document::nearest;
use crate::finding::{Code, Finding, Place};
use crate::workload::substitute::is_name;

/// The variables that a file declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    variables: Vec<Variable>,
}

/// A variable of a [`Contract`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub place: Place,
    /// Whether a service runs without it.
    pub optional: bool,
    /// The comment that it has, without the `#`.
    pub comment: Option<String>,
}

impl Contract {
    /// Reads the text of a dotenv file; `file` is what findings call it. A line that declares nothing is
    /// skipped; of a name that is there twice, the first counts.
    pub fn parse(text: &str, file: &str) -> Self {
        let mut variables: Vec<Variable> = Vec::new();
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let mut comments: Vec<&str> = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let trimmed = line.trim_start_matches('\u{feff}').trim();
            if let Some(text) = trimmed.strip_prefix('#') {
                comments.push(text.trim_start_matches('#').trim());
                continue;
            }
            let above = std::mem::take(&mut comments).join("\n");
            let declaration = trimmed.strip_prefix("export ").map_or(trimmed, str::trim_start);
            let Some((name, value)) = declaration.split_once('=') else { continue };
            let name = name.trim_end();
            if !is_name(name) {
                continue;
            }
            let behind = comment_behind(value, &mut lines);
            if !known.insert(name) {
                continue;
            }
            let optional = above.lines().chain(behind.as_deref()).any(says_optional);
            let column = 1 + line.find(name).map_or(0, |at| line[..at].chars().count());
            let place = Place { file: file.to_owned(), line: index + 1, column };
            let comment = behind.or(Some(above)).filter(|comment| !comment.is_empty());
            variables.push(Variable { name: name.to_owned(), place, optional, comment });
        }
        Self { variables }
    }

    /// The variables in the order of the file.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Their names in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.name.as_str())
    }
}

/// How many names are looked at to find the one that was meant. No project has more.
const MOST: usize = 500;

/// A finding for each required variable that is not among the names provided. Leave out the names whose value
/// is empty: an application takes those for missing. `home` is where a value goes, as it stands after "in".
pub fn missing<'n>(
    contract: &Contract,
    provided: impl IntoIterator<Item = &'n str>,
    home: &str,
) -> Vec<Finding> {
    let provided: BTreeSet<&str> = provided.into_iter().collect();
    let declared: BTreeSet<&str> = contract.names().collect();
    // A name that the contract has too is not a misspelling of another.
    let strangers: Vec<&str> = provided.difference(&declared).copied().take(MOST).collect();
    let required = contract.variables.iter().filter(|variable| !variable.optional);
    required
        .filter(|variable| !provided.contains(variable.name.as_str()))
        .map(|Variable { name, place, .. }| {
            let hint = match nearest(name, strangers.iter().copied()) {
                Some(near) => format!("{near} is set: did you mean {name}"),
                None => format!("set {name} in {home}, or mark it `# optional` in {}", place.file),
            };
            Finding::error(Code::MISSING_VARIABLE, format!("required variable {name} is missing or empty"))
                .at(place.clone())
                .with_hint(hint)
        })
        .collect()
}

/// The comment behind a value, past the end of a quoted value of several lines.
///
/// A quote that nobody closes costs its line only: what stands below it is declared.
fn comment_behind<'t>(
    value: &str,
    lines: &mut (impl Iterator<Item = (usize, &'t str)> + Clone),
) -> Option<String> {
    let value = value.trim_start();
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        let comment =
            if value.starts_with('#') { Some(value) } else { value.split_once(" #").map(|(_, text)| text) };
        return comment.map(|text| text.trim_start_matches('#').trim().to_owned());
    };
    let mut rest = &value[1..];
    let mut ahead = lines.clone();
    loop {
        if let Some(end) = closing(rest, quote) {
            *lines = ahead;
            let behind = rest[end + 1..].trim().strip_prefix('#');
            return behind.map(|text| text.trim().to_owned());
        }
        rest = ahead.next()?.1;
    }
}

/// Where a quoted value ends. In double quotes a backslash hides what follows.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut hidden = false;
    text.char_indices().find_map(|(at, char)| {
        let ends = char == quote && !hidden;
        hidden = quote == '"' && char == '\\' && !hidden;
        ends.then_some(at)
    })
}

fn says_optional(comment: &str) -> bool {
    let word = comment.split(|char: char| !char.is_ascii_alphabetic()).next().unwrap_or_default();
    word.eq_ignore_ascii_case("optional")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = include_str!("testdata/env.example");

    fn names(text: &str) -> Vec<(String, bool)> {
        let contract = Contract::parse(text, ".env.example");
        contract.variables.into_iter().map(|variable| (variable.name, variable.optional)).collect()
    }

    #[test]
    fn the_case_studys_example_declares_eight_variables() {
        let contract = Contract::parse(EXAMPLE, ".env.example");
        assert_eq!(contract.names().count(), 8);
        let stripe = contract.variables.iter().find(|variable| variable.name == "STRIPE_API_KEY");
        assert_eq!(stripe.expect("declared").place.to_string(), ".env.example:14:1");
        assert!(!format!("{contract:?}").contains("sk_live"), "no value is kept");
    }

    #[test]
    fn a_quote_that_nobody_closes_costs_its_line_only() {
        let names: Vec<String> = names("A=\"x\nB=\nC='y\nD=1\n").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "B", "C", "D"]);
    }

    #[test]
    fn an_annotation_makes_a_variable_optional() {
        let text = "A=1\n# Optional: for logs\nB=2\nC= # optional\nexport D='x' # optional\n\n# optional\n\nE=5\nF=a#optional\n";
        let expected = [("A", false), ("B", true), ("C", true), ("D", true), ("E", false), ("F", false)];
        assert_eq!(names(text), expected.map(|(name, optional)| (name.to_owned(), optional)));
    }

    #[test]
    fn a_value_of_several_lines_declares_nothing_else() {
        let text = "KEY=\"-----BEGIN\\\"\nNOT_A=variable\n-----END\" # optional\nB=1";
        assert_eq!(names(text), [("KEY".to_owned(), true), ("B".to_owned(), false)]);
    }

    #[test]
    fn what_is_missing_is_found_at_its_declaration() {
        let contract = Contract::parse(EXAMPLE, ".env.example");
        let provided = [
            "NODE_ENV",
            "PORT",
            "APP_NAME",
            "DATABASE_URI",
            "AWS_REGION",
            "S3_BUCKET_NAME",
            "TWILIO_AUTH_TOKEN",
        ];
        let findings: Vec<String> =
            missing(&contract, provided, ".env").iter().map(|finding| format!("{finding:#}")).collect();
        insta::assert_snapshot!(findings.join("\n"), @r"
        QS101 required variable DATABASE_URL is missing or empty
          --> .env.example:7:1
          hint: DATABASE_URI is set: did you mean DATABASE_URL
        QS101 required variable STRIPE_API_KEY is missing or empty
          --> .env.example:14:1
          hint: set STRIPE_API_KEY in .env, or mark it `# optional` in .env.example
        ");
        assert_eq!(missing(&contract, contract.names(), ".env"), []);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(?s).*") {
            let _ = Contract::parse(&text, "f");
        }

        #[test]
        fn nothing_panics_on_quotes(text in "[A-C=\"'\\\\#\n ]*") {
            let _ = Contract::parse(&text, "f");
        }
    }
}
