//! Contract, code and environment beside each other: what one has and another lacks.

use std::collections::BTreeSet;

use quickserve_core::config::Platform;
use quickserve_core::document::nearest;
use quickserve_core::finding::{Code, Finding, Severity};

use super::platform::{is_of_runtime, provides};
use super::{Contract, Values};
use crate::Subject;
use crate::code::{self, Need};

/// With so many required variables a service should look for them when it starts.
const MANY: usize = 3;

/// How many places beside the first are named.
const PLACES: usize = 3;

/// Required variables that nothing provides.
pub(super) fn missing(contract: &Contract, provided: &BTreeSet<String>, platform: Option<Platform>) -> Vec<Finding> {
    let strangers: Vec<&str> =
        provided.iter().map(String::as_str).filter(|name| contract.variable(name).is_none()).collect();
    let required = contract.variables.iter().filter(|variable| variable.required);
    let lacking = required.filter(|variable| !provided.contains(&variable.name) && !provides(platform, &variable.name));
    let finding = |variable: &super::Variable| {
        let name = &variable.name;
        let hint = match nearest(name, strangers.iter().copied()) {
            Some(near) => format!("{near} is set: did you mean {name}"),
            None => format!("give {name} to the task, or mark it @optional in {}", variable.place.file),
        };
        Finding::error(Code::MISSING_VARIABLE, format!("required variable {name} is given to no task"))
            .at(variable.place.clone())
            .with_hint(hint)
    };
    lacking.map(finding).collect()
}

/// Names in files of values that the contract does not have, and that are nearly one which it has.
pub(super) fn misspelt(contract: &Contract, all: &[Values]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for values in all {
        let names = values.names();
        let absent: Vec<&str> =
            contract.variables.iter().map(|variable| &*variable.name).filter(|name| !names.contains(name)).collect();
        for entry in values.entries.iter().filter(|entry| contract.variable(&entry.name).is_none()) {
            if let Some(near) = nearest(&entry.name, absent.iter().copied()) {
                let message = format!("{} is not in the contract, and {near} is not set", entry.name);
                let finding = Finding::new(Code::MISSPELT_VARIABLE, Severity::Warning, message);
                findings.push(finding.at(entry.place.clone()).with_hint(format!("did you mean {near}")));
            }
        }
    }
    findings
}

/// Variables that the code reads and nothing declares: one finding each, at the first place that needs it most.
pub(super) fn undeclared(
    contract: Option<&Contract>,
    provided: &BTreeSet<String>,
    code: &code::Code,
    subject: &Subject,
) -> Vec<Finding> {
    let is_declared = |name: &str| {
        contract.is_some_and(|contract| contract.variable(name).is_some())
            || provided.contains(name)
            || provides(subject.platform, name)
            || is_of_runtime(name)
            || subject.version_variable.as_deref() == Some(name)
    };
    let declared: Vec<&str> =
        contract.iter().flat_map(|contract| &contract.variables).map(|variable| &*variable.name).collect();
    let names = code.names().into_iter().filter(|name| !is_declared(name));
    names
        .filter_map(|name| {
            let need = code.need(name)?;
            let mut usages: Vec<_> = code.usages.iter().filter(|usage| usage.name == name).collect();
            usages.sort_by(|one, next| next.need.cmp(&one.need).then_with(|| one.place.cmp(&next.place)));
            let (first, others) = usages.split_first()?;
            let beside = match others.len() {
                0 => String::new(),
                more if more <= PLACES => {
                    let places: Vec<String> = others.iter().map(|usage| usage.place.to_string()).collect();
                    format!(" (also at {})", places.join(", "))
                }
                more => format!(" (also at {more} other places)"),
            };
            let severity = if need == Need::Defaulted { Severity::Info } else { Severity::Warning };
            let message = format!("the code reads {name}, which nothing declares{beside}");
            let mut finding = Finding::new(Code::UNDECLARED_VARIABLE, severity, message).at(first.place.clone());
            finding.excerpt.clone_from(&first.excerpt);
            Some(finding.with_hint(match nearest(name, declared.iter().copied()) {
                Some(near) => format!("did you mean {near}; else declare it in the contract"),
                None => "declare it in the contract, and give it a value".to_owned(),
            }))
        })
        .collect()
}

/// Variables that are declared and that no code reads. Nothing is said where no code reads any.
pub(super) fn unread(contract: &Contract, code: &code::Code) -> Vec<Finding> {
    let read = code.names();
    if !contract.variables.iter().any(|variable| read.contains(&*variable.name)) {
        return Vec::new();
    }
    let unread = contract.variables.iter().filter(|variable| {
        !read.contains(&*variable.name) && !is_of_runtime(&variable.name) && !variable.name.starts_with("AWS_")
    });
    let finding = |variable: &super::Variable| {
        let message = format!("{} is declared, and no code reads it by that name", variable.name);
        let finding = Finding::new(Code::UNREAD_VARIABLE, Severity::Info, message).at(variable.place.clone());
        finding.with_hint("remove it from the contract, unless a library reads it")
    };
    unread.map(finding).collect()
}

/// A service with many required variables that looks for none of them when it starts.
pub(super) fn unvalidated(contract: &Contract, code: &code::Code) -> Vec<Finding> {
    let required: Vec<_> = contract.variables.iter().filter(|variable| variable.required).collect();
    let bare = |name: &str| code.need(name) == Some(Need::Required);
    let read: Vec<_> = required.iter().filter(|variable| bare(&variable.name)).collect();
    let validates = code.usages.iter().any(|usage| usage.need == Need::Validated);
    let Some(first) = read.first().filter(|_| read.len() >= MANY && !validates) else { return Vec::new() };
    let Some(usage) = code.usages.iter().find(|usage| usage.name == first.name) else { return Vec::new() };
    let message = format!("the code reads {} required variables and looks for none of them at its start", read.len());
    let mut finding = Finding::new(Code::UNVALIDATED_START, Severity::Warning, message).at(usage.place.clone());
    finding.excerpt.clone_from(&usage.excerpt);
    vec![finding.with_hint("check all of them first, say which are missing, and end")]
}
