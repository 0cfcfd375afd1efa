//! Environments side by side.

use std::collections::BTreeSet;

use quickserve_core::finding::{Code, Finding, Severity};

use super::declaration::Contract;
use super::names::near;
use super::values::{Entry, Values};

/// Names that only one of two environments has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Those that only the first has, in the order of its file.
    pub first: Vec<String>,
    /// Those that only the second has.
    pub second: Vec<String>,
}

/// Compares the names of two environments; values are not looked at.
pub fn diff(first: &Values, second: &Values) -> Difference {
    let names = |one: &Values, other: &Values| lacking(one, other).map(|entry| entry.name.clone()).collect();
    Difference { first: names(first, second), second: names(second, first) }
}

/// What `other` has not.
fn lacking<'v>(one: &'v Values, other: &Values) -> impl Iterator<Item = &'v Entry> + use<'v> {
    let there: BTreeSet<String> = other.names().map(str::to_owned).collect();
    one.entries.iter().filter(move |entry| !there.contains(&entry.name))
}

/// Names that differ between environments' files (QS116). A variable that the contract has is left out: it says itself
/// whether an environment needs it.
pub(crate) fn differ(contract: Option<&Contract>, values: &[Values]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, one) in values.iter().enumerate() {
        for (other_index, other) in values.iter().enumerate() {
            if index == other_index || one.environment == other.environment {
                continue;
            }
            let strangers: Vec<&str> = lacking(other, one).map(|entry| entry.name.as_str()).collect();
            let undeclared = |name: &str| contract.is_none_or(|contract| contract.get(name).is_none());
            for entry in lacking(one, other).filter(|entry| undeclared(&entry.name)) {
                let renamed = near(&entry.name, strangers.iter().copied());
                // Each pair of names once, from the side that comes first, or is not in the contract.
                if renamed.is_some_and(|name| index > other_index && undeclared(name)) {
                    continue;
                }
                findings.push(difference(entry, one, other, renamed));
            }
        }
    }
    findings
}

fn difference(entry: &Entry, one: &Values, other: &Values, renamed: Option<&str>) -> Finding {
    let (name, here, there) = (&entry.name, shown(one), shown(other));
    let (severity, message, hint) = if let Some(renamed) = renamed {
        let message = format!("{here} has {name} where {there} has {renamed}");
        (Severity::Warning, message, format!("give it one name, in {} and {}", one.file, other.file))
    } else {
        let hint = format!("set it in {} too, or declare it in the contract as `# optional`", other.file);
        (Severity::Info, format!("{here} has {name}, {there} has not"), hint)
    };
    Finding::new(Code::VARIABLES_DIFFER, severity, message).at(entry.place.clone()).with_hint(hint)
}

fn shown(values: &Values) -> &str {
    if values.environment.is_empty() { &values.file } else { &values.environment }
}
