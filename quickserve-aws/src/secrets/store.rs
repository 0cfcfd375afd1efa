//! AWS's secrets, as the core knows secret stores.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use quickserve_core::release::SecretVersion;
use quickserve_core::secrets::{BoundSecret, SecretPresence, SecretStore};
use quickserve_core::{Error, ErrorKind, Result};

use super::source::{ParameterRef, Part, SecretRef, Source};
use super::{manager, parameters};
use crate::clients::Clients;

/// How many secrets are looked at at the same time: below what AWS throttles (`DescribeSecret`: 40 a second).
const AT_ONCE: usize = 8;

/// Secrets Manager's secrets and SSM's parameters.
///
/// A task gets references, which ECS resolves with the execution role. A secret is bound to its version, and a
/// rollback brings that one back, unless it rotates: then its older values do not work any more. ECS cannot be
/// told the version of a parameter, so parameters float.
#[derive(Debug, Clone)]
pub struct AwsSecrets {
    clients: Clients,
}

impl AwsSecrets {
    /// The secrets that these clients can reach; those of other regions by their ARN.
    pub fn new(clients: Clients) -> Self {
        Self { clients }
    }

    /// The parameter or the secret that a source means.
    async fn settle(&self, source: &str) -> Result<Settled> {
        Ok(match Source::parse(source)? {
            Source::Secret(secret) => Settled::Secret(secret),
            Source::Parameter(parameter) => {
                let Some(found) = self.parameter(&parameter).await? else {
                    return Err(parameters::missing(&self.clients, &parameter).await);
                };
                Settled::Parameter(found)
            }
            Source::Either(parameter, secret) => match self.parameter(&parameter).await? {
                Some(found) => Settled::Parameter(found),
                None => Settled::Secret(secret),
            },
        })
    }

    async fn parameter(&self, parameter: &ParameterRef) -> Result<Option<parameters::Described>> {
        Ok(parameters::describe(&self.clients, &[parameter]).await?.remove(parameter))
    }

    /// What is known of each secret, each asked for once however many of its keys are used.
    async fn secrets(&self, wanted: Vec<SecretRef>) -> Result<BTreeMap<SecretRef, SecretPresence>> {
        let looks = wanted.into_iter().map(|secret| async move {
            let presence = match manager::describe(&self.clients, &secret).await? {
                Some(found) if found.is_deleted() => SecretPresence::Missing { near: Vec::new() },
                Some(found) if found.has_value() => SecretPresence::Present,
                Some(_) => SecretPresence::Empty,
                None => SecretPresence::Missing { near: manager::similar(&self.clients, &secret).await },
            };
            Ok::<_, Error>((secret, presence))
        });
        stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await
    }
}

enum Settled {
    Secret(SecretRef),
    Parameter(parameters::Described),
}

/// The secret itself, whichever of its parts is meant.
fn whole(secret: &SecretRef) -> SecretRef {
    SecretRef { part: Part::default(), ..secret.clone() }
}

#[async_trait]
impl SecretStore for AwsSecrets {
    async fn check(&self, sources: &[String]) -> Result<Vec<SecretPresence>> {
        let sources: Vec<Source> =
            sources.iter().map(|source| Source::parse(source)).collect::<Result<_>>()?;
        let parameters: BTreeSet<&ParameterRef> = sources
            .iter()
            .filter_map(|source| match source {
                Source::Parameter(parameter) | Source::Either(parameter, _) => Some(parameter),
                Source::Secret(_) => None,
            })
            .collect();
        let parameters: Vec<&ParameterRef> = parameters.into_iter().collect();
        let known = parameters::describe(&self.clients, &parameters).await?;
        let secrets: BTreeSet<SecretRef> = sources
            .iter()
            .filter_map(|source| match source {
                Source::Secret(secret) => Some(whole(secret)),
                Source::Either(parameter, secret) if !known.contains_key(parameter) => Some(whole(secret)),
                Source::Either(..) | Source::Parameter(_) => None,
            })
            .collect();
        let secrets = self.secrets(secrets.into_iter().collect()).await?;
        let mut presences = Vec::with_capacity(sources.len());
        for source in &sources {
            presences.push(match source {
                Source::Parameter(parameter) | Source::Either(parameter, _)
                    if known.contains_key(parameter) =>
                {
                    SecretPresence::Present
                }
                Source::Parameter(parameter) => {
                    SecretPresence::Missing { near: parameters::similar(&self.clients, parameter).await }
                }
                Source::Secret(secret) | Source::Either(_, secret) => {
                    let missing = SecretPresence::Missing { near: Vec::new() };
                    secrets.get(&whole(secret)).cloned().unwrap_or(missing)
                }
            });
        }
        Ok(presences)
    }

    async fn bind(&self, source: &str) -> Result<SecretVersion> {
        match self.settle(source).await? {
            Settled::Secret(secret) => manager::bind(&self.clients, &secret).await,
            Settled::Parameter(found) => Ok(SecretVersion::Floating(Some(found.version.to_string()))),
        }
    }

    async fn resolve(&self, source: &str, version: &SecretVersion) -> Result<BoundSecret> {
        let reference = match (self.settle(source).await?, version) {
            (Settled::Secret(secret), version) => manager::resolve(&self.clients, &secret, version).await?,
            (Settled::Parameter(found), SecretVersion::Floating(_)) => found.arn,
            (Settled::Parameter(found), SecretVersion::Pinned(_)) => {
                let message = format!("pin parameter {}: ECS takes its current value", found.arn);
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint("keep what a rollback must bring back in Secrets Manager"));
            }
        };
        Ok(BoundSecret::Reference(reference))
    }
}

impl fmt::Display for AwsSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secrets of {}", self.clients)
    }
}
