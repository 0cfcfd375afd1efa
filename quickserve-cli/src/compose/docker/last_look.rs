//! The last look under the lock: the port is still free, images and secrets are still there, and are kept.

use std::sync::Arc;

use async_trait::async_trait;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::{LastLook, Report};
use quickserve_core::registry::Registry as _;
use quickserve_core::release::{Release, SecretBinding, SecretVersion};
use quickserve_core::secrets::SecretStore as _;
use quickserve_core::{ErrorKind, Result};
use quickserve_docker::router::RouterControl;
use quickserve_docker::{DotenvSecrets, Engine, ImageStore};

use super::{Local, ports};
use crate::target::Target;

/// What is looked at again for a release.
#[derive(Debug)]
pub(crate) struct StandingFacts {
    target: Target,
    release: Release,
    engine: Engine,
    router: RouterControl,
    images: Arc<ImageStore>,
    secrets: Arc<DotenvSecrets>,
}

impl StandingFacts {
    /// For a release that passed its checks.
    pub(crate) fn new(local: &Local, target: &Target, release: &Release) -> Self {
        Self {
            target: target.clone(),
            release: release.clone(),
            engine: local.engine.clone(),
            router: local.control.clone(),
            images: Arc::clone(&local.images),
            secrets: Arc::clone(&local.secrets),
        }
    }

    /// Keeps the images: they are found by their digests when every tag has moved on. Only the owner of the
    /// lock does it, so that one who never gets the lock leaves nothing.
    async fn keep_images(&self) -> Result<Report> {
        let mut report = Report::default();
        for (container, image) in &self.release.images {
            match self.images.pin(&self.release.id, container, image).await {
                Ok(()) => report.passed += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let message = format!("image {} is not there any more", image.reference);
                    let finding = Finding::error(Code::IMAGE_NOT_FOUND, message);
                    report.findings.push(finding.on(format!("container {container}")));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }

    /// Keeps the values of the secrets: another deployment may have let go of them since they were bound.
    async fn keep_secrets(&self) -> Result<Report> {
        let mut report = Report::default();
        for binding in &self.release.secrets {
            let SecretBinding { container, variable, source, version } = binding;
            let kept = match (version, self.secrets.resolve(source, version).await) {
                (SecretVersion::Pinned(_), Err(error)) if error.kind() == ErrorKind::NotFound => {
                    self.secrets.bind(source).await? == *version
                }
                (_, answer) => answer.map(|_| true)?,
            };
            if kept {
                report.passed += 1;
            } else {
                let message = format!("the value of secret {variable} has changed since the checks");
                let finding = Finding::error(Code::SECRET_NOT_FOUND, message);
                let finding = finding.with_hint("run the command again: it takes the new value");
                report.findings.push(finding.on(format!("container {container}")));
            }
        }
        Ok(report)
    }
}

#[async_trait]
impl LastLook for StandingFacts {
    async fn look(&self) -> Result<Report> {
        let Target { key, reach, settings, .. } = &self.target;
        let report = ports::check(&self.engine, &self.router, key, reach).await?;
        let report = report.accepting(&settings.accepted_findings);
        // What is refused anyhow needs nothing kept.
        if report.refuses() {
            return Ok(report);
        }
        Ok(report.and(self.keep_images().await?).and(self.keep_secrets().await?))
    }
}
