//! Files of values: one environment's `.env`.

use std::collections::BTreeMap;

use quickserve_core::finding::{Code, Finding, Place, Severity};

use super::env_file::{EnvFile, Purpose};
use super::value::Value;
use crate::Text;

/// What a file of values says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Values {
    /// The environment that it is for.
    pub environment: String,
    /// What findings call the file.
    pub file: String,
    /// In the order of the file, each name once: the last counts.
    pub entries: Vec<Entry>,
    /// Whether it is the file of what is deployed; others only weigh less.
    pub(crate) deployed: bool,
    /// Where in `entries` a name is.
    index: BTreeMap<String, usize>,
}

/// A variable of a file of values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where it is set.
    pub place: Place,
    value: Value,
}

impl Entry {
    /// Whether it is set to nothing, which an application takes for missing.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

impl Values {
    /// Reads a file of values, and says what in it cannot be read and what is set twice. `deployed`: whether it is of
    /// the environment that is deployed to.
    pub fn read(environment: impl Into<String>, text: &Text, deployed: bool) -> (Self, Vec<Finding>) {
        let EnvFile { assignments, problems } = EnvFile::read(&text.text, &text.file, Purpose::Values);
        let weight = if deployed { Severity::Error } else { Severity::Warning };
        let mut findings: Vec<Finding> = problems
            .into_iter()
            .map(|problem| {
                let finding = Finding::new(Code::ENV_FILE, weight, problem.what);
                finding.at(problem.place).with_hint(problem.hint)
            })
            .collect();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let mut entries: Vec<Entry> = Vec::new();
        for assignment in assignments {
            let entry = Entry { name: assignment.name, place: assignment.place, value: assignment.value };
            let Some(&first) = index.get(&entry.name) else {
                index.insert(entry.name.clone(), entries.len());
                entries.push(entry);
                continue;
            };
            findings.push(twice(&entries[first], &entry));
            entries[first] = entry;
        }
        let values =
            Self { environment: environment.into(), file: text.file.clone(), entries, deployed, index };
        (values, findings)
    }

    /// The variable of that name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.index.get(name).and_then(|&index| self.entries.get(index))
    }

    /// The names in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The names that have a value.
    pub fn set(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(|entry| !entry.is_empty()).map(|entry| entry.name.as_str())
    }
}

fn twice(first: &Entry, last: &Entry) -> Finding {
    let (weight, how) = if first.value == last.value {
        (Severity::Info, "to the same value")
    } else {
        (Severity::Warning, "to different values")
    };
    let message = format!("{} is set twice {how}, first in line {}", last.name, first.place.line);
    let hint = "keep one: some readers take the first, others the last";
    Finding::new(Code::VARIABLE_TWICE, weight, message).at(last.place.clone()).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, deployed: bool) -> (Values, Vec<Finding>) {
        Values::read("production", &Text::new(".env", text), deployed)
    }

    #[test]
    fn the_last_value_counts_and_twice_is_told() {
        let (values, findings) = read("A=1\nB=2\nA=3\nB=2\n", true);
        assert_eq!(values.get("A").expect("set").place.to_string(), ".env:3:1");
        assert_eq!(values.names().collect::<Vec<_>>(), ["A", "B"]);
        let texts: Vec<String> =
            findings.iter().map(|it| format!("{:?} {}", it.severity, it.message)).collect();
        assert_eq!(
            texts,
            [
                "Warning A is set twice to different values, first in line 1",
                "Info B is set twice to the same value, first in line 2"
            ]
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_weighs_as_much_as_the_environment() {
        for (deployed, severity) in [(true, Severity::Error), (false, Severity::Warning)] {
            let (_, findings) = read("A=two words", deployed);
            assert_eq!((findings[0].code, findings[0].severity), (Code::ENV_FILE, severity));
            assert_eq!(findings[0].excerpt, None);
        }
    }

    #[test]
    fn no_value_is_shown() {
        let (values, findings) = read("A=hunter2\nA=hunter22\nB=\"hunter2\nhunter2", true);
        assert!(!format!("{values:?} {findings:?}").contains("hunter2"));
    }
}
