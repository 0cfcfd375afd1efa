//! Files of values: what is in them is held to the contract, and no value is ever shown.

use std::collections::{BTreeMap, BTreeSet};

use quickserve_core::finding::{Code, Finding, Place, Severity};

use super::env_file::{Value, parse};
use super::{Contract, is_placeholder};
use crate::Text;

/// A file of values, for one environment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Values {
    /// The environment.
    pub environment: String,
    /// What findings call the file.
    pub file: String,
    /// In the order of the file; a name may be there twice.
    pub entries: Vec<Entry>,
}

/// A variable of a file of values.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: Place,
    value: Value,
}

impl Entry {
    /// Its value, which is never shown.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

impl Values {
    /// Reads a file; lines that cannot be read are told and left out.
    pub fn read(environment: &str, file: &Text, findings: &mut Vec<Finding>) -> Self {
        let (assignments, faults) = parse(&file.text);
        findings.extend(faults.into_iter().map(|fault| {
            let place = file.source().place(fault.span.start);
            Finding::error(Code::ENV_FILE, fault.message).at(place).with_hint("comments begin with #")
        }));
        let entry = |assignment: super::env_file::Assignment| Entry {
            place: file.source().place(assignment.name_span.start),
            name: assignment.name,
            value: assignment.value,
        };
        let entries = assignments.into_iter().map(entry).collect();
        Self { environment: environment.to_owned(), file: file.file.clone(), entries }
    }

    /// The names, each once.
    pub fn names(&self) -> BTreeSet<&str> {
        self.entries.iter().map(|entry| entry.name.as_str()).collect()
    }
}

/// Names that are there twice: which one counts depends on who reads the file.
pub(super) fn twice(values: &Values) -> Vec<Finding> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for entry in &values.entries {
        if let Some(line) = first.get(entry.name.as_str()) {
            let message = format!("{} is set twice, first in line {line}", entry.name);
            let finding = Finding::new(Code::VARIABLE_TWICE, Severity::Warning, message);
            findings.push(finding.at(entry.place.clone()).with_hint("remove one of the two"));
        } else {
            first.insert(&entry.name, entry.place.line);
        }
    }
    findings
}

/// Values that are none, or of another kind than the contract asks for.
pub(super) fn judge(values: &Values, contract: Option<&Contract>) -> Vec<Finding> {
    let finding = |entry: &Entry| {
        let variable = contract.and_then(|contract| contract.variable(&entry.name));
        let text = entry.value.text();
        if text.trim().is_empty() {
            return None;
        }
        if is_placeholder(text) {
            let example = variable.is_some_and(|variable| variable.is_example(&entry.value));
            let what = if example { "still has the example of the contract" } else { "has a placeholder for a value" };
            let finding = Finding::error(Code::PLACEHOLDER_VALUE, format!("{} {what}", entry.name));
            return Some(finding.at(entry.place.clone()).with_hint("write its real value"));
        }
        let kind = variable?.kind.as_ref()?;
        (!kind.takes(text)).then(|| {
            let message = format!("{} is not {kind}", entry.name);
            Finding::error(Code::VARIABLE_TYPE, message).at(entry.place.clone()).with_hint(format!("write {kind}"))
        })
    };
    values.entries.iter().filter_map(finding).collect()
}

/// Names that one environment has and another has not.
pub(super) fn differing(all: &[Values]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for values in all {
        for entry in &values.entries {
            let lacking: Vec<&str> = all
                .iter()
                .filter(|other| other.environment != values.environment && !other.names().contains(&*entry.name))
                .map(|other| &*other.environment)
                .collect();
            if !lacking.is_empty() {
                let message = format!("{} is set for {} and not for {}", entry.name, values.environment, lacking.join(", "));
                let finding = Finding::new(Code::VARIABLES_DIFFER, Severity::Info, message);
                findings.push(finding.at(entry.place.clone()));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(environment: &str, text: &str) -> (Values, Vec<Finding>) {
        let mut findings = Vec::new();
        let file = Text::new(format!(".env.{environment}"), text);
        (Values::read(environment, &file, &mut findings), findings)
    }

    fn shown(findings: &[Finding]) -> String {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn values_are_held_to_the_contract_and_never_shown() {
        let contract = "DATABASE_URL=postgresql://user:password@host:5432/dbname # @type(url)\nPORT=3000\nNODE_ENV=production\n";
        let contract = Contract::read(Text::new(".env.example", contract), &mut Vec::new());
        let text = "DATABASE_URL=postgresql://user:password@host:5432/dbname\nPORT=http-s3cret\nNODE_ENV=production\n\
                    STRIPE_API_KEY=sk_live_xxxxx\nEMPTY=\nPORT=3000\nnonsense s3cret\n";
        let (values, faults) = values("local", text);
        let all = [faults, judge(&values, Some(&contract)), twice(&values)].concat();
        insta::assert_snapshot!(shown(&all), @r"
        QS102 this line gives no variable a value: NAME=value
          --> .env.local:7:1
          hint: comments begin with #
        QS103 DATABASE_URL still has the example of the contract
          --> .env.local:1:1
          hint: write its real value
        QS104 PORT is not a port, 1 to 65535
          --> .env.local:2:1
          hint: write a port, 1 to 65535
        QS103 STRIPE_API_KEY has a placeholder for a value
          --> .env.local:4:1
          hint: write its real value
        QS108 PORT is set twice, first in line 2
          --> .env.local:6:1
          hint: remove one of the two
        ");
        assert!(all.iter().all(|finding| finding.excerpt.is_none()));
    }

    #[test]
    fn environments_are_compared_by_name() {
        let (staging, _) = values("staging", "A=1\nDB_URI=x\n");
        let (production, _) = values("production", "A=2\nDB_URL=x\n");
        insta::assert_snapshot!(shown(&differing(&[staging, production])), @r"
        QS116 DB_URI is set for staging and not for production
          --> .env.staging:2:1
        QS116 DB_URL is set for production and not for staging
          --> .env.production:2:1
        ");
    }
}
