//! QS1xx: every secret that a workload names has a value.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::secrets::{SecretPresence, SecretStore};

/// Secret variables: for each container and name, the source in the store.
pub type SecretNames = BTreeMap<(String, String), String>;

/// Looks for every secret without reading its value, and answers beside the report those that have a value.
///
/// An empty one counts as not there, but is no finding of its own: whether it is needed, the contract says.
///
/// # Errors
/// When the store cannot be asked.
pub async fn secrets(
    store: &dyn SecretStore,
    store_name: &str,
    names: &SecretNames,
) -> Result<(BTreeSet<(String, String)>, Report)> {
    let sources: Vec<String> = names.values().cloned().collect();
    let presence = store.check(&sources).await?;
    let mut valued = BTreeSet::new();
    let mut report = Report::default();
    for (((container, variable), source), presence) in names.iter().zip(presence) {
        match presence {
            SecretPresence::Present => {
                valued.insert((container.clone(), variable.clone()));
                report.passed += 1;
            }
            SecretPresence::Empty => report.passed += 1,
            SecretPresence::Missing { near } => {
                let hint = match near.first() {
                    Some(near) => format!("did you mean {near}"),
                    None => format!("add {source}=... to {store_name}"),
                };
                let message = format!("secret {source} not found in {store_name}");
                let finding = Finding::error(Code::SECRET_NOT_FOUND, message);
                report.findings.push(finding.on(format!("container {container}")).with_hint(hint));
            }
        }
    }
    Ok((valued, report))
}
