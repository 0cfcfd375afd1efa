//! The last look under the lock: what the release's secrets are taken from is still there.

use std::sync::Arc;

use async_trait::async_trait;
use quickserve_core::Result;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::{LastLook, Report};
use quickserve_core::release::{Release, SecretBinding};
use quickserve_core::secrets::{SecretPresence, SecretStore};

/// What is looked at again for a release.
#[derive(Debug)]
pub(crate) struct StandingSecrets {
    store: Arc<dyn SecretStore>,
    secrets: Vec<SecretBinding>,
}

impl StandingSecrets {
    /// For a release that passed its checks.
    pub(crate) fn new(store: Arc<dyn SecretStore>, release: &Release) -> Self {
        Self { store, secrets: release.secrets.clone() }
    }
}

#[async_trait]
impl LastLook for StandingSecrets {
    async fn look(&self) -> Result<Report> {
        let sources: Vec<String> = self.secrets.iter().map(|binding| binding.source.clone()).collect();
        let mut report = Report::default();
        for (binding, presence) in self.secrets.iter().zip(self.store.check(&sources).await?) {
            let SecretBinding { container, variable, source, .. } = binding;
            let gone = match presence {
                SecretPresence::Present => {
                    report.passed += 1;
                    continue;
                }
                SecretPresence::Missing { .. } => format!("there is no {source}"),
                SecretPresence::Empty => format!("{source} has no value"),
            };
            let message = format!("secret {variable} has gone since the checks: {gone}");
            let finding = Finding::error(Code::SECRET_NOT_FOUND, message);
            report.findings.push(finding.on(format!("container {container}")));
        }
        Ok(report)
    }
}
