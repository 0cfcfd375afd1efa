//! A dotenv file as a secret store.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use quickserve_core::document::near;
use quickserve_core::release::{Release, SecretVersion};
use quickserve_core::retention::{Retainer, Usage};
use quickserve_core::secrets::{BoundSecret, SecretPresence, SecretStore};
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::SecretString;

use super::dotenv_file;
use super::values::Values;

/// Secrets from a dotenv file; those that releases are bound to are kept in a private folder.
///
/// A source is a variable's name in the file. Binding keeps the value it has then under a version (an HMAC
/// with a random key that never leaves the folder), so a rollback brings back the value of its time. The folder
/// has mode 0700 and its files 0600.
///
/// The file's syntax is that of `dotenvy`, of a name that occurs twice the last one counts. One thing is
/// refused rather than guessed: a `$` outside single quotes, which readers of dotenv files treat differently.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use quickserve_core::secrets::{SecretPresence, SecretStore as _};
/// use quickserve_docker::DotenvSecrets;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join(".env"), "DB_PASSWORD='pa$word'\n")?;
/// let secrets = DotenvSecrets::new(folder.path().join(".env"), folder.path().join("state"));
/// let found = secrets.check(&["DB_PASSWORD".into(), "DB_PASWORD".into()]).await?;
/// assert_eq!(found[0], SecretPresence::Present);
/// assert_eq!(found[1], SecretPresence::Missing { near: vec!["DB_PASSWORD".into()] });
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DotenvSecrets {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    values: Values,
}

impl DotenvSecrets {
    /// Secrets from `file`; `state` is the folder for kept values, made at the first use.
    pub fn new(file: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { file: file.into(), values: Values::new(state.into()) }) }
    }

    /// Removes the values that are kept, whatever release is bound to them. The key stays, as a journal does: whoever
    /// bound a value and waits for its turn binds the same version again.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub async fn clear(&self) -> Result<()> {
        self.blocking(|inner| inner.values.clear()).await
    }

    /// File work goes where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.map_err(|error| Error::new(ErrorKind::Unexpected, "read secrets").with_source(error))?
    }
}

impl Inner {
    fn presence(&self, sources: &[String]) -> Result<Vec<SecretPresence>> {
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let variables = dotenv_file::read(&self.file)?;
        let presence = |source: &String| match variables.get(source) {
            Some(variable) if variable.substitutes => Err(self.substitutes(source, variable.line)),
            Some(variable) if variable.is_empty => Ok(SecretPresence::Empty),
            Some(_) => Ok(SecretPresence::Present),
            None => Ok(SecretPresence::Missing { near: near(source, variables.keys().map(String::as_str)) }),
        };
        sources.iter().map(presence).collect()
    }

    fn current(&self, source: &str) -> Result<SecretString> {
        let mut variables = dotenv_file::read(&self.file)?;
        match variables.remove(source) {
            Some(variable) if variable.substitutes => Err(self.substitutes(source, variable.line)),
            Some(variable) => Ok(variable.value),
            None => {
                let error = Error::new(ErrorKind::NotFound, format!("find secret {source}"))
                    .with_context("file", self.file.display().to_string());
                let near = near(source, variables.keys().map(String::as_str));
                Err(if near.is_empty() {
                    error.with_hint(format!("add {source}=... to the file"))
                } else {
                    error.with_hint(format!("did you mean {}?", near.join(" or ")))
                })
            }
        }
    }

    fn substitutes(&self, source: &str, line: usize) -> Error {
        let message = format!(
            "read secret {source}: its value in {}:{line} has a $ that readers of dotenv files treat differently",
            self.file.display()
        );
        Error::new(ErrorKind::Invalid, message).with_hint("put the value in single quotes, or write \\$")
    }
}

#[async_trait]
impl SecretStore for DotenvSecrets {
    async fn check(&self, sources: &[String]) -> Result<Vec<SecretPresence>> {
        let sources = sources.to_vec();
        self.blocking(move |inner| inner.presence(&sources)).await
    }

    async fn bind(&self, source: &str) -> Result<SecretVersion> {
        let source = source.to_owned();
        self.blocking(move |inner| {
            let value = inner.current(&source)?;
            let version = inner.values.version(&source, &value)?;
            inner.values.keep(&version, &value)?;
            Ok(SecretVersion::Pinned(version))
        })
        .await
    }

    async fn resolve(&self, source: &str, version: &SecretVersion) -> Result<BoundSecret> {
        let (source, version) = (source.to_owned(), version.clone());
        self.blocking(move |inner| match version {
            SecretVersion::Pinned(version) => inner.values.kept(&source, &version).map(BoundSecret::Value),
            SecretVersion::Floating(_) => inner.current(&source).map(BoundSecret::Value),
        })
        .await
    }
}

#[async_trait]
impl Retainer for DotenvSecrets {
    async fn let_go(&self, gone: &[Release], stay: &[Release]) -> Result<()> {
        let mut versions = versions(gone);
        // Equal values have one version, whichever release is bound to them.
        for version in self::versions(stay) {
            versions.remove(&version);
        }
        self.blocking(move |inner| versions.iter().try_for_each(|version| inner.values.remove(version))).await
    }

    async fn usage(&self) -> Result<Usage> {
        self.blocking(|inner| inner.values.usage()).await
    }
}

/// Every version whose value was kept for these releases, also where it floats: it was seen then.
fn versions(releases: &[Release]) -> BTreeSet<String> {
    let bindings = releases.iter().flat_map(|release| &release.secrets);
    let versions = bindings.filter_map(|binding| match &binding.version {
        SecretVersion::Pinned(version) => Some(version.clone()),
        SecretVersion::Floating(seen) => seen.clone(),
    });
    versions.collect()
}

impl fmt::Display for DotenvSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secrets in {}", self.inner.file.display())
    }
}
