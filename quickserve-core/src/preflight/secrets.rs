//! QS1xx: every secret that a workload names has a value.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::error::Result;
use crate::finding::{Code, Finding, Place};
use crate::secrets::{SecretPresence, SecretStore};

/// Secret variables: for each container and name, where the value comes from.
pub type SecretNames = BTreeMap<(String, String), SecretSource>;

/// Where the value of a secret variable comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// Its name in the store.
    pub name: String,
    /// Where a file names it; where none does, findings name the container.
    pub place: Option<Place>,
}

/// Looks for every secret without reading its value, and answers beside the report those that have a value.
///
/// What is missing is to be added as `remedy` says of its name, unless another name is near.
///
/// An empty one counts as not there, but is no finding of its own: whether it is needed, the contract says.
///
/// # Errors
/// When the store cannot be asked.
pub async fn secrets(
    store: &dyn SecretStore,
    store_name: &str,
    names: &SecretNames,
    remedy: impl Fn(&str) -> String,
) -> Result<(BTreeSet<(String, String)>, Report)> {
    let sources: Vec<String> = names.values().map(|source| source.name.clone()).collect();
    let presence = store.check(&sources).await?;
    let mut valued = BTreeSet::new();
    let mut report = Report::default();
    for (((container, variable), source), presence) in names.iter().zip(presence) {
        let name = &source.name;
        match presence {
            SecretPresence::Present => {
                valued.insert((container.clone(), variable.clone()));
                report.passed += 1;
            }
            SecretPresence::Empty => report.passed += 1,
            SecretPresence::Missing { near } => {
                let hint = match near.first() {
                    Some(near) => format!("did you mean {near}"),
                    None => remedy(name),
                };
                let message = if name == variable {
                    format!("secret {variable} not found in {store_name}")
                } else {
                    format!("secret {variable} not found in {store_name}: there is no {name}")
                };
                let finding = Finding::error(Code::SECRET_NOT_FOUND, message).with_hint(hint);
                report.findings.push(match &source.place {
                    Some(place) => finding.at(place.clone()),
                    None => finding.on(format!("container {container}")),
                });
            }
        }
    }
    Ok((valued, report))
}
