//! Secrets where none may be: in files that are committed, in plain settings, in images.
//!
//! A secret is known by its shape, as that of an AWS key, or by its name and how random it is. No finding has the
//! value in it, nor its line. How good the rules are is measured over a labelled corpus, `tests/corpus`.

mod committed;
#[cfg(test)]
mod corpus_tests;
mod entropy;
mod find;
mod login;
mod name;
mod rules;

pub use crate::placeholder::is_placeholder;
pub use find::{Found, find};

pub(crate) use committed::{Sighting, Standing, findings, is_searched, is_values, search};
pub(crate) use name::{is_secret as is_secret_name, may_be_secret};

use quickserve_core::finding::Code;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

/// What is secret about a variable's value in plain sight, with its article, such as `a GitHub token`; nothing where
/// it is an example, a reference to a secret, or no secret.
///
/// ```
/// use quickserve_check::secrets::plain;
///
/// assert_eq!(plain("DB_PASSWORD", "hunter2"), Some("a value that looks secret"));
/// assert_eq!(plain("DB_PASSWORD", "${DB_PASSWORD}"), None);
/// assert_eq!(plain("LOG_LEVEL", "debug"), None);
/// ```
pub fn plain(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim();
    // What may be meant for everybody is, where the name says so.
    if let Some(found) = find(value).iter().find(|found| found.certain || !name::is_public(name)) {
        return Some(found.rule);
    }
    // A value that is set under such a name is the secret even where it is as weak as `hunter2`.
    let is_setting = value.len() < 4
        || value.bytes().all(|byte| byte.is_ascii_digit())
        || value.contains(char::is_whitespace)
        || value.contains("://")
        || matches!(value, "true" | "false" | "none" | "disabled" | "enabled" | "required" | "optional");
    let is_secret = is_secret_under(name, value) && !is_setting && !is_placeholder(value);
    is_secret.then_some("a value that looks secret")
}

/// Whether the name makes the value a secret; where it is a name of plain things too, the value must be random.
pub(crate) fn is_secret_under(name: &str, value: &str) -> bool {
    name::is_secret(name) && (!name::is_ambiguous(name) || entropy::is_random(value))
}

/// Whether a variable of that name and value holds a secret; see [`plain`].
pub fn looks_secret(name: &str, value: &str) -> bool {
    plain(name, value).is_some()
}

/// Secrets and files of values in git.
pub(crate) fn check(_subject: &Subject, facts: &Facts) -> Report {
    let of = |code: Code| {
        let findings = facts.code.committed.iter().filter(move |finding| finding.code == code);
        Report::of(findings.cloned().collect())
    };
    of(Code::COMMITTED_SECRET).and(of(Code::COMMITTED_ENV_FILE))
}
