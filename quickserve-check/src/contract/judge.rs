//! What is wrong with the values of environments, by the contract and by themselves.

use std::collections::BTreeSet;

use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;

use super::declaration::{Contract, Variable};
use super::environments::differ;
use super::names::is_secret;
use super::platform;
use super::provision::{absence, absent, misspelt};
use super::read::Contracts;
use super::value::Value;
use super::values::{Entry, Values};
use crate::code::Need;
use crate::definition::{Container, Definition};
use crate::dockerfile::Dockerfile;
use crate::placeholder::awaits_person;
use crate::{Facts, Subject};

pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    let elsewhere = elsewhere(subject, facts);
    let names: Option<BTreeSet<&str>> =
        elsewhere.as_ref().map(|names| names.iter().map(String::as_str).collect());
    let main = facts.definition.as_ref().and_then(|definition| definition.main(subject));
    let mut report = judge(subject, &facts.contracts, names.as_ref(), main.map(|main| main.name()));
    if let (Some(contract), Some(definition), Some(main)) =
        (&facts.contracts.contract, &facts.definition, main)
    {
        report = report.and(Report::of(types_in(contract, definition, main)));
    }
    let contract = facts.contracts.contract.iter();
    for variable in contract.flat_map(|contract| &contract.variables) {
        let is_its = |finding: &&mut Finding| {
            finding.code == Code::MISSING_VARIABLE && finding.place() == Some(&variable.place)
        };
        if !subject.values_elsewhere && goes_on_without(facts, &variable.name) {
            let found = report.findings.iter_mut().filter(is_its);
            found.for_each(|finding| finding.severity = finding.severity.min(Severity::Warning));
        }
    }
    report
}

/// Whether a service surely starts without a variable: its code has another value, the build had it, or the platform
/// has another way.
fn goes_on_without(facts: &Facts, name: &str) -> bool {
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    facts.code.need(name) == Some(Need::Defaulted)
        || platform::is_for_the_build(name)
        || (facts.definition.is_some() && keys.contains(&name))
}

/// Names that tasks get from elsewhere than files of values and settings; `None` where that cannot be known.
pub(crate) fn elsewhere(subject: &Subject, facts: &Facts) -> Option<BTreeSet<String>> {
    let dockerfile = facts.build.dockerfile.iter().flat_map(Dockerfile::environment);
    let mut names: BTreeSet<String> = dockerfile.map(|(name, ..)| name).collect();
    match &facts.definition {
        Some(definition) => {
            let main = definition.main(subject)?;
            // What such files give is in S3, and not known here.
            if !main.items("environmentFiles").is_empty() {
                return None;
            }
            names.extend(main.environment().into_iter().map(|(name, ..)| name.to_owned()));
            names.extend(main.secrets().into_iter().map(|(name, ..)| name.to_owned()));
        }
        // One that could not be read, or is not described here, gives what is not known.
        None if subject.definition.is_some() || subject.is_for_ecs() => return None,
        None => {}
    }
    Some(names)
}

/// Judges the values of environments. `elsewhere` are the names that tasks get from the task definition and the image;
/// without it (`None`: not known) no variable is reported as missing, and names are not compared with the contract. `main`
/// is the container of the task definition that the contract is of.
pub fn judge(
    subject: &Subject,
    contracts: &Contracts,
    elsewhere: Option<&BTreeSet<&str>>,
    main: Option<&str>,
) -> Report {
    let Contracts { contract, values } = contracts;
    let contract = contract.as_ref();
    let looks = |values: &Values| !(values.deployed && subject.values_elsewhere);
    let mut report = Report::default();
    for values in values {
        report = report.and(Report::of(placeholders(contract, values)));
        if let Some(contract) = contract {
            report = report.and(Report::of(types(contract, values)));
            if let Some(elsewhere) = elsewhere {
                let given = given(subject, contract, elsewhere);
                if looks(values) {
                    let home = home(subject, main, Some(values));
                    report = report.and(Report::of(missing(contract, values, &given, &home)));
                }
                report = report.and(Report::of(misspellings(contract, values, &given)));
            }
        }
    }
    if let (Some(contract), Some(elsewhere)) = (contract, elsewhere)
        && !values.iter().any(|values| values.deployed)
        && !subject.values_elsewhere
        && (subject.environment.is_some() || subject.definition.is_some())
        && knows_values(subject, elsewhere)
    {
        let given = given(subject, contract, elsewhere);
        let home = home(subject, main, None);
        report = report.and(Report::of(super::missing(contract, &given, &home)));
    }
    if values.len() > 1 {
        report = report.and(Report::of(differ(contract, values)));
    }
    report.and(Report::of(settings(subject, contract)))
}

/// Whether all that gives values without a file of them is known. Of a file that is named and was not read, it is not.
fn knows_values(subject: &Subject, elsewhere: &BTreeSet<&str>) -> bool {
    let has_settings = subject.environment.is_some() && subject.env_files.is_empty();
    has_settings || !elsewhere.is_empty() || !subject.variables.is_empty()
}

/// The names that every environment's tasks get, whatever their file of values says.
fn given<'a>(
    subject: &'a Subject,
    contract: &'a Contract,
    elsewhere: &BTreeSet<&'a str>,
) -> BTreeSet<&'a str> {
    let platform = subject.platform;
    let own = subject.variables.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str());
    let by_platform = contract.names().filter(move |name| platform::provided(platform, name));
    elsewhere
        .iter()
        .copied()
        .chain(own)
        .chain(by_platform)
        .chain(subject.version_variable.as_deref())
        .collect()
}

/// Where a variable gets its value, as it stands after "in". What a task definition does not name reaches no task, whatever
/// a file of values has.
fn home(subject: &Subject, main: Option<&str>, values: Option<&Values>) -> String {
    match (&subject.definition, values) {
        (Some(path), _) => {
            let container = main.unwrap_or("the container");
            format!("`environment` or `secrets` of {container} in {}", subject.name(path))
        }
        (None, Some(values)) => values.file.clone(),
        (None, None) => match subject.env_files.first() {
            Some(file) => subject.name(&file.path),
            None => "`variables` or `env_file` of quickserve.toml".to_owned(),
        },
    }
}

/// QS101 where a name is not there at all; QS103, at its place, where it is set to nothing.
fn missing(contract: &Contract, values: &Values, given: &BTreeSet<&str>, home: &str) -> Vec<Finding> {
    let provided: BTreeSet<&str> = given.iter().copied().chain(values.set()).collect();
    let mut findings = Vec::new();
    for variable in absent(contract, &provided) {
        let mut finding = match values.get(&variable.name) {
            None => absence(contract, &provided, variable, home),
            Some(entry) => empty(variable, entry),
        };
        if !values.deployed {
            finding.severity = Severity::Warning;
            finding.message = format!("{} in {}", finding.message, values.environment);
        }
        findings.push(finding);
    }
    findings
}

fn empty(variable: &Variable, entry: &Entry) -> Finding {
    let Variable { name, place, .. } = variable;
    let hint = format!("give it a value, or mark it `# optional` in {}", place.file);
    let message = format!("required variable {name} is set to nothing");
    Finding::error(Code::PLACEHOLDER_VALUE, message).at(entry.place.clone()).with_hint(hint)
}

fn misspellings(contract: &Contract, values: &Values, given: &BTreeSet<&str>) -> Vec<Finding> {
    let provided: BTreeSet<&str> = given.iter().copied().chain(values.names()).collect();
    misspelt(contract, values.entries.iter().map(|entry| (entry.name.as_str(), &entry.place)), &provided)
}

/// QS103: what a person was to replace.
fn placeholders(contract: Option<&Contract>, values: &Values) -> Vec<Finding> {
    let each = values.entries.iter().filter_map(|entry| {
        let variable = contract.and_then(|contract| contract.get(&entry.name));
        placeholder(&entry.name, entry.value(), variable).map(|finding| finding.at(entry.place.clone()))
    });
    each.collect()
}

fn placeholder(name: &str, value: &Value, variable: Option<&Variable>) -> Option<Finding> {
    let text = value.expose();
    let template = variable.filter(|variable| variable.has_example && variable.example() == value);
    let message = if awaits_person(text) {
        match template {
            Some(variable) => format!("{name} still has the value of {}", variable.place.file),
            None => format!("the value of {name} is a placeholder"),
        }
    } else {
        // A secret that the template has is known to all who have the repository; a short one, such as `dev`, is what
        // people give to a database on their own machine.
        let published = template.filter(|variable| variable.secret || is_secret(name));
        let variable =
            published.filter(|_| !value.substitutes() && text.len() >= 16 && !text.contains("localhost"))?;
        format!("{name} is secret and has the value of {}", variable.place.file)
    };
    let hint = format!("give {name} its own value");
    Some(Finding::new(Code::PLACEHOLDER_VALUE, Severity::Warning, message).with_hint(hint))
}

/// QS104: what the contract says of types.
fn types(contract: &Contract, values: &Values) -> Vec<Finding> {
    let each = values.entries.iter().filter_map(|entry| {
        let mut finding = wrong_type(contract.get(&entry.name)?, entry.value())?;
        if !values.deployed {
            finding.severity = Severity::Warning;
        }
        Some(finding.at(entry.place.clone()))
    });
    each.collect()
}

/// The same in `environment` of the container that the contract is of. Without the line: it shows the value.
fn types_in(contract: &Contract, definition: &Definition, main: Container<'_>) -> Vec<Finding> {
    let each = main.environment().into_iter().filter_map(|(name, node, _)| {
        let text = definition.filled(node)?;
        let finding = wrong_type(contract.get(name)?, &Value::literal(text))?;
        Some(finding.at(definition.file.source().place(node.span.start)))
    });
    each.collect()
}

/// A placeholder is of no type, and said to be one; an empty value is missing.
fn wrong_type(variable: &Variable, value: &Value) -> Option<Finding> {
    let kind = variable.kind.as_ref()?;
    let text = value.expose();
    if value.is_empty() || value.substitutes() || awaits_person(text) || kind.accepts(text) {
        return None;
    }
    let message = format!("the value of {} is not {}", variable.name, kind.noun());
    let hint = format!("such as {}; {} asks for `@{kind}`", kind.example(), variable.place);
    Some(Finding::error(Code::VARIABLE_TYPE, message).with_hint(hint))
}

/// The same for `variables` of the settings. They have no place here, and may have placeholders of their own.
fn settings(subject: &Subject, contract: Option<&Contract>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, text) in subject.variables.iter().filter(|(_, text)| !text.contains("${")) {
        let value = Value::literal(text.as_str());
        let variable = contract.and_then(|contract| contract.get(name));
        let wrong = placeholder(name, &value, variable);
        let wrong = wrong.or_else(|| variable.and_then(|variable| wrong_type(variable, &value)));
        findings.extend(wrong.map(|finding| finding.on(format!("variables.{name}"))));
    }
    findings
}
