//! Reading the files that a subject names.

use quickserve_core::finding::{Code, Finding, Severity};

use super::declaration::Contract;
use super::values::Values;
use crate::{EnvironmentFile, Subject, Text};

/// The contract of variables, and the files of values.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Contracts {
    /// Which variables there must be.
    pub contract: Option<Contract>,
    /// The values of environments, as far as they could be read.
    pub values: Vec<Values>,
}

pub(crate) fn read(subject: &Subject) -> (Contracts, Vec<Finding>) {
    let mut contracts = Contracts::default();
    let mut findings = Vec::new();
    if let Some(path) = &subject.contract {
        match Text::read(&subject.path(path), &subject.name(path)) {
            Ok(text) => {
                let (contract, wrong) = Contract::read(text);
                contracts.contract = Some(contract);
                findings.extend(wrong);
            }
            Err(_) if subject.values_elsewhere => {}
            Err(finding) => findings.push(*finding),
        }
    }
    for file in &subject.env_files {
        // The template in place of values, as in `check --env-file .env.example`: its examples are no values.
        if subject
            .contract
            .as_ref()
            .is_some_and(|contract| subject.path(contract) == subject.path(&file.path))
        {
            continue;
        }
        let deployed =
            subject.environment.as_ref().is_none_or(|environment| *environment == file.environment);
        match Text::read(&subject.path(&file.path), &subject.name(&file.path)) {
            Ok(text) => {
                let (values, wrong) = Values::read(&file.environment, &text, deployed);
                contracts.values.push(values);
                let told = |finding: &Finding| {
                    !(deployed && subject.values_elsewhere && finding.code == Code::ENV_FILE)
                };
                findings.extend(wrong.into_iter().filter(told));
            }
            Err(_) if deployed && subject.values_elsewhere => {}
            Err(finding) => findings.push(unreadable(subject, file, *finding, deployed)),
        }
    }
    (contracts, findings)
}

/// A file of values that is not there has its own code, and a way to make one.
fn unreadable(subject: &Subject, file: &EnvironmentFile, mut finding: Finding, deployed: bool) -> Finding {
    finding.code = Code::ENV_FILE;
    if !deployed {
        finding.severity = Severity::Warning;
    }
    let absent = !subject.path(&file.path).exists();
    if let (true, Some(contract)) = (absent, &subject.contract) {
        let (contract, name) = (subject.name(contract), subject.name(&file.path));
        finding.hint = Some(format!("cp {contract} {name}, then fill it in"));
    }
    finding
}
