//! A secret store in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};
use crate::release::SecretVersion;
use crate::secrets::{BoundSecret, SecretPresence, SecretStore};

/// A secret store in memory: each source has all the values that it ever had, the last is current.
#[derive(Debug, Default)]
pub struct MemorySecrets {
    values: Mutex<BTreeMap<String, Vec<SecretString>>>,
}

impl MemorySecrets {
    /// Gives a source a new value.
    pub fn insert(&self, source: impl Into<String>, value: impl Into<String>) {
        let value = SecretString::from(value.into());
        self.lock().entry(source.into()).or_default().push(value);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<SecretString>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for MemorySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory secrets")
    }
}

fn missing(source: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no secret {source}"))
}

#[async_trait]
impl SecretStore for MemorySecrets {
    async fn check(&self, sources: &[String]) -> Result<Vec<SecretPresence>> {
        let values = self.lock();
        let presence = |source: &String| match values.get(source).and_then(|values| values.last()) {
            Some(value) if value.expose_secret().is_empty() => SecretPresence::Empty,
            Some(_) => SecretPresence::Present,
            None => SecretPresence::Missing { near: Vec::new() },
        };
        Ok(sources.iter().map(presence).collect())
    }

    async fn bind(&self, source: &str) -> Result<SecretVersion> {
        let values = self.lock();
        let known = values.get(source).ok_or_else(|| missing(source))?;
        Ok(SecretVersion::Pinned(known.len().to_string()))
    }

    async fn resolve(&self, source: &str, version: &SecretVersion) -> Result<BoundSecret> {
        let values = self.lock();
        let known = values.get(source).ok_or_else(|| missing(source))?;
        let value = match version {
            SecretVersion::Pinned(version) => {
                version.parse::<usize>().ok().and_then(|number| known.get(number.checked_sub(1)?))
            }
            SecretVersion::Floating(_) => known.last(),
        };
        value.cloned().map(BoundSecret::Value).ok_or_else(|| missing(source))
    }
}
