//! What the code reads beside what is declared.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quickserve_core::config::Platform;
use quickserve_core::finding::{Finding, Severity};
use quickserve_core::preflight::Report;

use crate::code::{Language, Need};
use crate::contract::{Contract, Reading, Values, elsewhere, undeclared, unread, unvalidated};
use crate::workflow::scripts::normal;
use crate::{Facts, Subject, inside, is_template};

/// Settings of Spring that are read whatever its profiles.
const SPRING: [&str; 3] = ["application.yml", "application.yaml", "application.properties"];

/// What the code reads beside what is declared: by the contract, the task definition, the image, and files of values.
pub(super) fn check(subject: &Subject, facts: &Facts) -> Report {
    let readings = Reading::all(&facts.code);
    let mut report = Report::default();
    if let Some(contract) = &facts.contracts.contract {
        report = report.and(Report::of(unread(contract, &readings)));
        report = report.and(Report::of(unvalidated(contract, &readings).into_iter().collect()));
    }
    let Some(elsewhere) = elsewhere(subject, facts) else { return report };
    if facts.contracts.contract.is_none() && facts.definition.is_none() {
        return report;
    }
    let contract = facts.contracts.contract.iter().flat_map(Contract::names);
    let values = facts.contracts.values.iter().flat_map(Values::names);
    let own = subject.variables.keys().chain(&elsewhere).chain(&subject.version_variable).map(String::as_str);
    let declared: BTreeSet<&str> = contract.chain(values).chain(own).collect();
    let platform = if subject.is_for_ecs() { Some(Platform::Ecs) } else { subject.platform };
    let others = of_others(subject, facts);
    let is_own = |reading: &&Reading<'_>| !others.iter().any(|other| reading.place.file.starts_with(other));
    let own: Vec<Reading<'_>> = readings.iter().filter(is_own).copied().collect();
    let mut findings = undeclared(&own, &declared, platform);
    if facts.definition.is_some() || facts.contracts.values.iter().any(|values| values.deployed) {
        for finding in &mut findings {
            needed_by_spring(subject, facts, finding);
        }
    }
    report.and(Report::of(findings))
}

/// The folders of other services of the repository, as the places of their code begin: those below it that have a
/// Dockerfile or a contract of their own, where this service has its Dockerfile elsewhere. What they read is theirs.
fn of_others(subject: &Subject, facts: &Facts) -> Vec<String> {
    let Some(dockerfile) = subject.dockerfile.as_deref().and_then(normal) else { return Vec::new() };
    let named = subject.contract.iter().chain(subject.env_files.iter().map(|file| &file.path));
    let own: Vec<PathBuf> = named.filter_map(|path| normal(path)).chain([dockerfile]).collect();
    let marks = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == "Dockerfile" || (name.starts_with(".env") && is_template(path))
    };
    let folders: BTreeSet<&Path> =
        facts.code.files.iter().filter(marks).filter_map(|path| path.parent()).collect();
    let is_other =
        |folder: &&Path| !folder.as_os_str().is_empty() && !own.iter().any(|path| path.starts_with(folder));
    // The context may be a folder below which the Dockerfile lies: what is in it is the service's own.
    let context =
        subject.context.as_deref().and_then(normal).filter(|context| !context.as_os_str().is_empty());
    let is_built = |folder: &Path| context.as_ref().is_some_and(|context| context.starts_with(folder));
    let others = folders.into_iter().filter(is_other).filter(|folder| !is_built(folder));
    others.map(|folder| format!("{}/", subject.name(folder))).collect()
}

/// Spring ends the program before it serves anything where a placeholder has neither value nor default.
///
/// Spring Framework documentation, "Using @Value". Settings of a profile are read only where it is active; those that are
/// imported, as from a secret store, and keys of the same name may give the value.
fn needed_by_spring(subject: &Subject, facts: &Facts, finding: &mut Finding) {
    let Some(place) = finding.place() else { return };
    let usage = facts.code.usages.iter().find(|usage| usage.place == *place);
    let Some(usage) = usage.filter(|usage| usage.need == Need::Validated) else { return };
    let file = place.file.rsplit('/').next().unwrap_or_default();
    let is_always_read = match usage.language {
        Language::Spring => SPRING.contains(&file) && place.file.contains("src/main/resources/"),
        Language::Java => place.file.contains("src/main/") && usage.is_annotation(),
        _ => false,
    };
    let may_give = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_of_spring = Language::of(path) == Some(Language::Spring);
        let text = is_of_spring.then(|| inside::read(subject, path)).and_then(Result::ok);
        name.starts_with("bootstrap.") || text.is_some_and(|text| gives(&text.text, &usage.name))
    };
    if is_always_read && !facts.code.files.iter().any(may_give) {
        finding.severity = Severity::Error;
        finding.message = format!("{} has neither value nor default: Spring does not start", usage.name);
        finding.hint =
            Some(format!("set {name} for the task, or write ${{{name}:default}}", name = usage.name));
    }
}

/// Whether settings of Spring have a key of that name, or get keys from elsewhere.
fn gives(text: &str, name: &str) -> bool {
    let has_key = |line: &str| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with(['=', ':']))
    };
    text.contains("import") || text.contains("cloud") || text.lines().any(has_key)
}
