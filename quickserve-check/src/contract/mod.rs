//! The contract of variables: `.env.example` declares which ones a service needs, and the files of values, the task
//! definition and the code are held to it.
//!
//! A plain file is a contract: each name in it is required, unless the comment above or behind it begins with the word
//! `optional`. Words that begin with `@` in such a comment say more: `@optional`, `@required`, `@secret` and
//! `@type(KIND)`, where the kind is `string`, `url`, `int`, `port`, `bool`, `duration`, `json` or `enum: a, b`.
//!
//! ```text
//! # The database of orders. @secret @type(url)
//! DATABASE_URL=postgresql://user:password@host:5432/orders
//! LOG_LEVEL=info  # @optional @type(enum: debug, info, warn)
//! ```

mod coverage;
mod declaration;
mod env_file;
mod kind;
mod placeholder;
pub mod platform;
mod template;
mod values;

pub use declaration::{Contract, Variable};
pub use env_file::Value;
pub use kind::Kind;
pub use placeholder::is_placeholder;
pub use template::template;
pub use values::{Entry, Values};

use std::collections::BTreeSet;

use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject, Text};

/// The contract, and the files of values that are held to it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Contracts {
    /// The contract.
    pub contract: Option<Contract>,
    /// A file for each environment that has one.
    pub values: Vec<Values>,
}

pub(crate) fn read(subject: &Subject) -> (Contracts, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut contracts = Contracts::default();
    if let Some(path) = &subject.contract {
        match Text::read(&subject.path(path), &subject.name(path)) {
            Ok(file) => contracts.contract = Some(Contract::read(file, &mut findings)),
            Err(finding) => findings.push(*finding),
        }
    }
    for file in &subject.env_files {
        let (path, name) = (subject.path(&file.path), subject.name(&file.path));
        match Text::read(&path, &name) {
            Ok(text) => contracts.values.push(Values::read(&file.environment, &text, &mut findings)),
            // A file of values that is not there is told by whoever needs it: the environment of another may be
            // somebody else's.
            Err(_) if !path.exists() => {}
            Err(finding) => findings.push(*finding),
        }
    }
    (contracts, findings)
}

/// The variables that the main container has, and those that the platform gives to it.
pub(crate) fn provided(subject: &Subject, facts: &Facts) -> BTreeSet<String> {
    let mut provided: BTreeSet<String> = subject.variables.keys().cloned().collect();
    if let Some(main) = facts.definition.as_ref().and_then(|definition| definition.main(subject)) {
        provided.extend(main.environment().iter().map(|(name, ..)| (*name).to_owned()));
        provided.extend(main.secrets().iter().map(|(name, ..)| (*name).to_owned()));
    }
    if let Some(dockerfile) = &facts.build.dockerfile {
        provided.extend(dockerfile.environment().into_iter().map(|(name, ..)| name));
    }
    let own = facts.contracts.values.iter().filter(|values| Some(&values.environment) == subject.environment.as_ref());
    let filled = own.flat_map(|values| &values.entries).filter(|entry| !entry.value().is_empty());
    provided.extend(filled.map(|entry| entry.name.clone()));
    provided
}

pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    let contracts = &facts.contracts;
    let contract = contracts.contract.as_ref();
    let provided = provided(subject, facts);
    let mut report = Report::default();
    for values in &contracts.values {
        report = report.and(Report::of(values::twice(values))).and(Report::of(values::judge(values, contract)));
    }
    if contracts.values.len() > 1 {
        report = report.and(Report::of(values::differing(&contracts.values)));
    }
    if let Some(contract) = contract {
        // On local Docker the deployment itself looks, since it knows the image's own variables.
        if subject.is_for_ecs() && facts.definition.is_some() {
            report = report.and(Report::of(coverage::missing(contract, &provided, subject.platform)));
        }
        report = report.and(Report::of(coverage::misspelt(contract, &contracts.values)));
        report = report.and(Report::of(coverage::unread(contract, &facts.code)));
        report = report.and(Report::of(coverage::unvalidated(contract, &facts.code)));
    }
    if contract.is_some() || facts.definition.is_some() {
        report = report.and(Report::of(coverage::undeclared(contract, &provided, &facts.code, subject)));
    }
    report
}
