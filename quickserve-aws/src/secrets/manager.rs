//! Secrets Manager.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretError;
use quickserve_core::release::SecretVersion;
use quickserve_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::source::{Part, SecretRef};
use crate::clients::Clients;
use crate::error::{Call, call};
use quickserve_core::document::near;

const DESCRIBE: Call = call("secretsmanager", "DescribeSecret");
const CURRENT: &str = "AWSCURRENT";

/// A secret without its values.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) arn: String,
    /// The key that it is encrypted with, unless that is AWS's own.
    pub(crate) key: Option<String>,
    rotates: bool,
    deleted: bool,
    /// Which stages each version has, for the versions that have any.
    stages: BTreeMap<String, Vec<String>>,
}

impl Described {
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted
    }

    pub(crate) fn has_value(&self) -> bool {
        self.stages.values().any(|stages| !stages.is_empty())
    }
}

/// Looks at a secret; `None` where there is none.
pub(crate) async fn describe(clients: &Clients, secret: &SecretRef) -> Result<Option<Described>> {
    let clients = of_region(clients, secret);
    let answer = match clients.secrets_manager().describe_secret().secret_id(&secret.id).send().await {
        Ok(answer) => answer,
        Err(error)
            if error.as_service_error().is_some_and(DescribeSecretError::is_resource_not_found_exception) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(DESCRIBE.failed(error).with_context("secret", &*secret.id)),
    };
    let stages = answer.version_ids_to_stages().into_iter().flatten();
    Ok(Some(Described {
        arn: answer.arn().unwrap_or(&secret.id).to_owned(),
        key: answer.kms_key_id().filter(|key| !key.contains("alias/aws/")).map(str::to_owned),
        rotates: answer.rotation_enabled().unwrap_or_default(),
        deleted: answer.deleted_date().is_some(),
        stages: stages.map(|(version, stages)| (version.clone(), stages.clone())).collect(),
    }))
}

/// The secret, or the error that says that there is none.
pub(crate) async fn require(clients: &Clients, secret: &SecretRef) -> Result<Described> {
    let Some(described) = describe(clients, secret).await? else {
        let region = secret.region.as_deref().or(clients.region()).unwrap_or("this region").to_owned();
        let error = Error::new(ErrorKind::NotFound, format!("find secret {} in {region}", secret.id));
        let close = similar(clients, secret).await;
        return Err(if close.is_empty() {
            error
        } else {
            error.with_hint(format!("did you mean {}", close.join(", ")))
        });
    };
    if described.deleted {
        let message = format!("read secret {}: it is scheduled for deletion", secret.id);
        return Err(Error::new(ErrorKind::NotFound, message).with_hint(format!(
            "bring it back: aws secretsmanager restore-secret --secret-id {}",
            secret.id
        )));
    }
    Ok(described)
}

/// Names that are near, where they may be listed.
pub(crate) async fn similar(clients: &Clients, secret: &SecretRef) -> Vec<String> {
    let clients = of_region(clients, secret);
    let Ok(answer) = clients.secrets_manager().list_secrets().max_results(100).send().await else {
        return Vec::new();
    };
    let names: Vec<&str> = answer.secret_list().iter().filter_map(|secret| secret.name()).collect();
    near(name_of(&secret.id), names)
}

/// The name in an ARN, without the six characters that AWS adds.
fn name_of(id: &str) -> &str {
    let Some((_, name)) = id.rsplit_once(":secret:") else { return id };
    match name.rsplit_once('-') {
        Some((plain, suffix)) if suffix.len() == 6 => plain,
        _ => name,
    }
}

/// The version that a source has now: pinned, unless the secret rotates and none was named.
pub(crate) async fn bind(clients: &Clients, secret: &SecretRef) -> Result<SecretVersion> {
    let described = require(clients, secret).await?;
    let version = current(clients, secret, &described).await?;
    look(clients, secret, &described.arn, &version).await?;
    Ok(if described.rotates && secret.part.version.is_none() {
        SecretVersion::Floating(Some(version))
    } else {
        SecretVersion::Pinned(version)
    })
}

async fn current(clients: &Clients, secret: &SecretRef, described: &Described) -> Result<String> {
    if let Some(version) = &secret.part.version {
        let there = exists(clients, secret, described, version).await?;
        return if there { Ok(version.clone()) } else { Err(no_version(secret, version)) };
    }
    let stage = secret.part.stage.as_deref().unwrap_or(CURRENT);
    let found = described.stages.iter().find(|(_, stages)| stages.iter().any(|it| it == stage));
    if let Some((version, _)) = found {
        return Ok(version.clone());
    }
    if !described.has_value() {
        let message = format!("read secret {}: it has no value", secret.id);
        return Err(Error::new(ErrorKind::NotFound, message)
            .with_hint("give it one: aws secretsmanager put-secret-value"));
    }
    let known: Vec<&str> = described.stages.values().flatten().map(String::as_str).collect();
    Err(Error::new(ErrorKind::NotFound, format!("find stage {stage} of secret {}", secret.id))
        .with_hint(format!("it has {}", known.join(", "))))
}

/// What a task gets.
pub(crate) async fn resolve(
    clients: &Clients,
    secret: &SecretRef,
    version: &SecretVersion,
) -> Result<String> {
    let described = require(clients, secret).await?;
    let SecretVersion::Pinned(version) = version else {
        return Ok(secret.part.reference(&described.arn, None));
    };
    if !exists(clients, secret, &described, version).await? {
        return Err(no_version(secret, version));
    }
    Ok(secret.part.reference(&described.arn, Some(version)))
}

fn no_version(secret: &SecretRef, version: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("find version {version:?} of secret {}", secret.id)).with_hint(
        "AWS keeps about 100 versions, and those without a stage for a day at least; bind the release anew",
    )
}

/// Whether a version is there. Those that no stage names any more are in a list of their own.
async fn exists(clients: &Clients, secret: &SecretRef, described: &Described, version: &str) -> Result<bool> {
    if described.stages.contains_key(version) {
        return Ok(true);
    }
    let clients = of_region(clients, secret);
    let call = call("secretsmanager", "ListSecretVersionIds");
    let mut pages = clients
        .secrets_manager()
        .list_secret_version_ids()
        .secret_id(&described.arn)
        .include_deprecated(true)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| call.failed(error).with_context("secret", &*secret.id))?;
        if page.versions().iter().any(|entry| entry.version_id() == Some(version)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks into a value, if we may, for what only it can say: that it is text, and has the JSON key. Whoever may
/// describe secrets and not read them is no worse off than without this look.
async fn look(clients: &Clients, secret: &SecretRef, arn: &str, version: &str) -> Result<()> {
    let clients = of_region(clients, secret);
    let call = call("secretsmanager", "GetSecretValue");
    let answer = clients.secrets_manager().get_secret_value().secret_id(arn).version_id(version).send().await;
    match answer {
        Ok(answer) => judge(&secret.id, &secret.part, answer.secret_string()),
        Err(error) => {
            let error = call.failed(error).with_context("secret", &*secret.id);
            if error.kind() == ErrorKind::PermissionDenied { Ok(()) } else { Err(error) }
        }
    }
}

fn judge(id: &str, part: &Part, value: Option<&str>) -> Result<()> {
    let Some(value) = value else {
        return Err(Error::new(ErrorKind::Invalid, format!("use secret {id} as a variable: it is binary"))
            .with_hint("ECS hands out text only: store it as text, for example in base64"));
    };
    let Some(key) = &part.json_key else { return Ok(()) };
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(value) else {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("find key {key} in secret {id}: it is no JSON object"),
        )
        .with_hint("name the secret without a key, or store an object"));
    };
    if object.contains_key(key) {
        return Ok(());
    }
    let error = Error::new(ErrorKind::NotFound, format!("find key {key} in secret {id}"));
    let close = near(key, object.keys().map(String::as_str));
    Err(if close.is_empty() { error } else { error.with_hint(format!("it has {}", close.join(", "))) })
}

fn of_region(clients: &Clients, secret: &SecretRef) -> Clients {
    secret.region.as_deref().map_or_else(|| clients.clone(), |region| clients.in_region(region))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Part {
        Part { json_key: Some(name.into()), ..Part::default() }
    }

    #[test]
    fn a_binary_secret_is_refused_with_a_hint() {
        let error = judge("db", &Part::default(), None).expect_err("binary");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.hint().expect("a hint").contains("base64"));
    }

    #[test]
    fn a_missing_key_is_told_with_near_ones_and_no_value() {
        let value = r#"{"password": "hunter2", "user": "ada"}"#;
        judge("db", &key("password"), Some(value)).expect("it is there");
        let error = judge("db", &key("pasword"), Some(value)).expect_err("misspelt");
        assert_eq!(error.hint(), Some("it has password"));
        let plain = judge("db", &key("password"), Some("hunter2")).expect_err("no JSON");
        assert!(!format!("{error:?} {plain:?}").contains("hunter2"));
    }

    #[test]
    fn names_are_compared_without_what_aws_adds() {
        assert_eq!(name_of("arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/db-AbCdEf"), "shop/db");
        assert_eq!(name_of("arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-db"), "shop-db");
        assert_eq!(name_of("shop/db"), "shop/db");
    }
}
