//! What is provided against what the contract asks for, by names alone.

use std::collections::BTreeSet;

use quickserve_core::finding::{Code, Finding, Place};

use super::declaration::{Contract, Variable};
use super::names::near;

/// A finding for each required variable that is not among the names provided (QS101). Leave out names whose value is
/// empty, and put in what the platform gives ([`provided`](super::provided)). `home` is where a value goes, as it stands
/// after "in".
pub fn missing(contract: &Contract, provided: &BTreeSet<&str>, home: &str) -> Vec<Finding> {
    absent(contract, provided).map(|variable| absence(contract, provided, variable, home)).collect()
}

/// The required variables that are not among the names provided.
pub(crate) fn absent<'c>(
    contract: &'c Contract,
    provided: &BTreeSet<&str>,
) -> impl Iterator<Item = &'c Variable> {
    let required = contract.variables.iter().filter(|variable| variable.required);
    required.filter(|variable| !provided.contains(variable.name.as_str()))
}

/// In the words of the core, which looks again when it deploys: what is said twice is said once.
pub(crate) fn absence(
    contract: &Contract,
    provided: &BTreeSet<&str>,
    variable: &Variable,
    home: &str,
) -> Finding {
    let Variable { name, place, .. } = variable;
    let strangers = provided.iter().copied().filter(|provided| contract.get(provided).is_none());
    let hint = match near(name, strangers) {
        Some(near) => format!("{near} is set: did you mean {name}"),
        None => format!("set {name} in {home}, or mark it `# optional` in {}", place.file),
    };
    let message = format!("required variable {name} is missing or empty");
    Finding::error(Code::MISSING_VARIABLE, message).at(place.clone()).with_hint(hint)
}

/// A finding for each name that the contract does not have and that must mean one which it has and nobody provides
/// (QS109): `DATABASE_URI: did you mean DATABASE_URL`. `names` are those of one file, with their places; `provided` are
/// all.
pub fn misspelt<'n>(
    contract: &Contract,
    names: impl IntoIterator<Item = (&'n str, &'n Place)>,
    provided: &BTreeSet<&str>,
) -> Vec<Finding> {
    let strangers = names.into_iter().filter(|(name, _)| contract.get(name).is_none());
    let unset = || contract.names().filter(|name| !provided.contains(name));
    strangers
        .filter_map(|(name, place)| {
            let meant = near(name, unset())?;
            let message = format!("{name} is not in the contract, which has {meant}");
            let hint = format!("did you mean {meant}");
            Some(
                Finding::new(Code::MISSPELT_VARIABLE, quickserve_core::finding::Severity::Warning, message)
                    .at(place.clone())
                    .with_hint(hint),
            )
        })
        .collect()
}
