//! A finding as it is told: the one way for a finding to be shown, in whatever format.

use std::ops::Deref;

use quickserve_core::finding::Finding;
use serde::Serialize;

/// A finding without any secret value, whoever made it: a check, a reader of a file, a command that could not begin.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Told(Finding);

impl Told {
    pub(crate) fn of(finding: &Finding) -> Self {
        let mut finding = finding.clone();
        quickserve_check::hide(std::slice::from_mut(&mut finding));
        Self(finding)
    }

    pub(crate) fn all(findings: &[Finding]) -> Vec<Self> {
        findings.iter().map(Self::of).collect()
    }
}

impl Deref for Told {
    type Target = Finding;

    fn deref(&self) -> &Finding {
        &self.0
    }
}
