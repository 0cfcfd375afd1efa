//! A release to be, and the release that it becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use quickserve_check::contract::provided;
use quickserve_core::Result;
use quickserve_core::config::variables::Contract;
use quickserve_core::config::{Platform, SecretPolicy};
use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::{self, Report, SecretNames};
use quickserve_core::registry::ResolvedImage;
use quickserve_core::release::{Commit, Image, Release, SecretBinding, SecretVersion};
use quickserve_core::secrets::SecretStore;
use quickserve_core::workload::Workload;

use super::values::{Kept, Values};

/// A release to be: what files and arguments say, before anything was asked.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) workload: Workload,
    /// Each container's image.
    pub(crate) references: BTreeMap<String, String>,
    /// Every secret variable and its source.
    pub(crate) secrets: SecretNames,
    /// Where the values of secrets are kept.
    pub(super) kept: Kept,
    /// What is worth knowing of the files, and what is wrong with the file of secrets.
    pub(crate) notes: Vec<Finding>,
    /// The container that the image and the contract are about.
    pub(super) main: String,
    /// Whether its image was named for this very deployment, and so need not be what the checkout holds.
    pub(super) named: bool,
    pub(super) contract: Option<Contract>,
    /// Where a variable gets its value, as it stands after "in".
    pub(super) home: String,
    pub(super) platform: Platform,
    pub(super) policy: SecretPolicy,
    pub(super) version_variable: String,
}

impl Draft {
    /// Looks at secrets and variables, given the images.
    pub(crate) async fn check(
        &self,
        store: &dyn SecretStore,
        images: &BTreeMap<String, ResolvedImage>,
    ) -> Result<Report> {
        let (valued, report) = match &self.kept {
            Kept::Stores(region) => {
                let remedy = |name: &str| {
                    format!("make it: aws secretsmanager create-secret --name {name} --secret-string ...")
                };
                preflight::secrets(store, region, &self.secrets, remedy).await?
            }
            Kept::File(Some(file), Values::Read) => {
                let remedy = |name: &str| format!("add {name}=... to {file}");
                preflight::secrets(store, file, &self.secrets, remedy).await?
            }
            // That it cannot be read is said of all in it.
            Kept::File(Some(_), Values::Absent | Values::Unreadable) => Default::default(),
            Kept::File(None, _) => (BTreeSet::new(), self.no_env_file()),
        };
        // What was reported as a secret is not reported again as a variable.
        let is_reported = report.refuses() || self.values() != Values::Read;
        let missing = self.secrets.keys().filter(|key| is_reported && !valued.contains(*key));
        let reported: BTreeSet<String> = missing.map(|(_, name)| name.clone()).collect();
        let variables = match &self.contract {
            Some(contract) if self.values() != Values::Unreadable => {
                let provided = self.provided(&valued, images.get(&self.main));
                preflight::variables(contract, &provided, &reported, &self.home)
            }
            _ => Report::default(),
        };
        Ok(report.and(variables))
    }

    /// What of the values is known.
    fn values(&self) -> Values {
        match self.kept {
            Kept::File(_, values) => values,
            Kept::Stores(_) => Values::Read,
        }
    }

    fn no_env_file(&self) -> Report {
        let finding = |(container, name): &(String, String)| {
            Finding::error(Code::SECRET_NOT_FOUND, format!("secret {name} has no value: no env_file is set"))
                .on(format!("container {container}"))
                .with_hint("write env_file = \".env\" in quickserve.toml")
        };
        Report { passed: 0, findings: self.secrets.keys().map(finding).collect() }
    }

    /// The variables of the main container that have a value.
    fn provided(
        &self,
        valued: &BTreeSet<(String, String)>,
        image: Option<&ResolvedImage>,
    ) -> BTreeSet<String> {
        let container = self.workload.container(&self.main);
        let plain = container.into_iter().flat_map(|container| &container.environment);
        let plain = plain.filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.clone());
        let secret = valued.iter().filter(|(container, _)| *container == self.main);
        let ours = ["QUICKSERVE_RELEASE", "IMAGE_TAG", &self.version_variable].map(str::to_owned);
        let declared = self.contract.iter().flat_map(Contract::names);
        let by_platform = declared.filter(|name| provided(Some(self.platform), name)).map(str::to_owned);
        let of_image = image.into_iter().flat_map(|image| image.variables.clone());
        plain
            .chain(secret.map(|(_, name)| name.clone()))
            .chain(ours)
            .chain(of_image)
            .chain(by_platform)
            .collect()
    }

    /// Binds the secrets, and names the release.
    pub(crate) async fn release(
        mut self,
        store: &dyn SecretStore,
        images: BTreeMap<String, ResolvedImage>,
        checkout: Option<Commit>,
    ) -> Result<Release> {
        // An image that was named was built from what it says itself, whatever is checked out here: the same
        // image is the same release wherever it is deployed from.
        let commit = if self.named {
            let revision = images.get(&self.main).and_then(|image| image.revision.clone());
            revision.map(|hash| Commit { hash, dirty: false })
        } else {
            checkout
        };
        let images: BTreeMap<String, Image> =
            images.into_iter().map(|(container, resolved)| (container, resolved.image)).collect();
        let version = images.get(&self.main).map_or_else(String::new, |image| match image.tag() {
            Some(tag) => tag.to_owned(),
            None => image.digest.hex()[..12].to_owned(),
        });
        // Tasks get IMAGE_TAG anyhow.
        if self.version_variable != "IMAGE_TAG"
            && let Some(main) =
                self.workload.containers.iter_mut().find(|container| container.name == self.main)
        {
            main.environment.entry(self.version_variable.clone()).or_insert_with(|| version.clone());
        }
        let mut bindings = Vec::new();
        for ((container, variable), source) in &self.secrets {
            let source = &source.name;
            let version = match (store.bind(source).await?, self.policy) {
                (SecretVersion::Pinned(version), SecretPolicy::Current) => {
                    SecretVersion::Floating(Some(version))
                }
                (version, _) => version,
            };
            let (container, variable) = (container.clone(), variable.clone());
            bindings.push(SecretBinding { container, variable, source: source.clone(), version });
        }
        Release::new(version, images, bindings, self.workload, commit)
    }
}

/// The commit of the folder, where it is in a checkout.
pub(crate) async fn commit(folder: &Path) -> Option<Commit> {
    let folder = folder.to_owned();
    let read = tokio::task::spawn_blocking(move || quickserve_check::workflow::commit(&folder)).await;
    let (hash, dirty) = read.ok().flatten()?;
    Some(Commit { hash, dirty })
}
