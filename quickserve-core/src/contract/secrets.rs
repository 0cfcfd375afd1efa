//! What a secret store must hold to.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::rule::{Broken, Held, ensure, hold, refused, same};
use crate::error::ErrorKind;
use crate::release::SecretVersion;
use crate::secrets::{BoundSecret, SecretPresence, SecretStore};

const OLD: &str = "contract-value-of-yesterday";
const NEW: &str = "contract-value-of-today";

/// Makes secret stores for the suite [`secrets`](secrets()).
#[async_trait]
pub trait SecretsFixture: Sync {
    /// A store without any secret.
    async fn fresh(&self) -> Box<dyn SecretsStage>;
}

/// A secret store. Dropped, nothing of it is left, after a panic too.
#[async_trait]
pub trait SecretsStage: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn SecretStore>;

    /// The same store as another process sees it.
    fn another_process(&self) -> Arc<dyn SecretStore>;

    /// Gives a secret a value, over whatever it had, and answers with its source. The names are those of
    /// variables, the values letters and hyphens, or empty.
    async fn put(&self, name: &str, value: &str) -> String;

    /// Whether versions are pinned: still resolved when the source has changed.
    fn pins(&self) -> bool;
}

/// Holds a [`SecretStore`] to its contract.
///
/// # Panics
/// When a rule is broken, with all the rules that are.
pub async fn secrets(fixture: &dyn SecretsFixture) {
    hold!(
        "the secret store",
        fixture,
        a_check_answers_for_each_source_in_order,
        a_check_of_an_empty_store_does_not_fail,
        what_is_missing_cannot_be_bound_or_resolved,
        an_unchanged_secret_is_bound_to_the_same_version,
        a_changed_secret_has_another_version,
        a_bound_version_is_still_resolved_after_a_change,
        a_floating_version_is_what_is_current,
        a_version_that_never_was_is_an_error,
        the_version_of_one_secret_is_not_anothers,
        no_value_is_shown,
    );
}

async fn a_check_answers_for_each_source_in_order(stage: &dyn SecretsStage) -> Held {
    let (present, empty) = (stage.put("PRESENT", OLD).await, stage.put("EMPTY", "").await);
    let missing = format!("{present}_NEVER_WAS");
    let sources = [missing.clone(), empty, present.clone(), missing, present];
    let found = stage.store().check(&sources).await?;
    let kinds: Vec<&str> = found
        .iter()
        .map(|presence| match presence {
            SecretPresence::Present => "present",
            SecretPresence::Empty => "empty",
            SecretPresence::Missing { .. } => "missing",
        })
        .collect();
    same("what was found", kinds.as_slice(), &["missing", "empty", "present", "missing", "present"])
}

async fn a_check_of_an_empty_store_does_not_fail(stage: &dyn SecretsStage) -> Held {
    same("what was found of nothing", &stage.store().check(&[]).await?, &Vec::new())?;
    let found = stage.store().check(&["NEVER_WAS".to_owned()]).await?;
    same("what was found of what is not there", &found, &vec![SecretPresence::Missing { near: Vec::new() }])
}

async fn what_is_missing_cannot_be_bound_or_resolved(stage: &dyn SecretsStage) -> Held {
    let missing = format!("{}_NEVER_WAS", stage.put("PRESENT", OLD).await);
    refused("a bind", stage.store().bind(&missing).await, ErrorKind::NotFound)?;
    let current = stage.store().resolve(&missing, &SecretVersion::Floating(None)).await;
    refused("a resolve", current, ErrorKind::NotFound)
}

async fn an_unchanged_secret_is_bound_to_the_same_version(stage: &dyn SecretsStage) -> Held {
    let source = stage.put("PASSWORD", OLD).await;
    let version = stage.store().bind(&source).await?;
    for store in [stage.store(), stage.another_process()] {
        same("its version", &store.bind(&source).await?, &version)?;
        yields(&store.resolve(&source, &version).await?, OLD)?;
    }
    Ok(())
}

async fn a_changed_secret_has_another_version(stage: &dyn SecretsStage) -> Held {
    let source = stage.put("PASSWORD", OLD).await;
    let old = stage.store().bind(&source).await?;
    stage.put("PASSWORD", NEW).await;
    let new = stage.store().bind(&source).await?;
    ensure(old != new, || format!("it is still {old:?}"))?;
    yields(&stage.store().resolve(&source, &new).await?, NEW)
}

async fn a_bound_version_is_still_resolved_after_a_change(stage: &dyn SecretsStage) -> Held {
    let source = stage.put("PASSWORD", OLD).await;
    let old = stage.store().bind(&source).await?;
    let pinned = matches!(old, SecretVersion::Pinned(_));
    ensure(pinned == stage.pins(), || format!("the version is {old:?}"))?;
    stage.put("PASSWORD", NEW).await;
    stage.store().bind(&source).await?;
    for store in [stage.store(), stage.another_process()] {
        yields(&store.resolve(&source, &old).await?, if pinned { OLD } else { NEW })?;
    }
    Ok(())
}

async fn a_floating_version_is_what_is_current(stage: &dyn SecretsStage) -> Held {
    let source = stage.put("PASSWORD", OLD).await;
    stage.store().bind(&source).await?;
    for (value, seen) in [(OLD, None), (NEW, Some("seen".to_owned()))] {
        stage.put("PASSWORD", value).await;
        yields(&stage.store().resolve(&source, &SecretVersion::Floating(seen)).await?, value)?;
    }
    Ok(())
}

async fn a_version_that_never_was_is_an_error(stage: &dyn SecretsStage) -> Held {
    let source = stage.put("PASSWORD", OLD).await;
    stage.store().bind(&source).await?;
    for never in ["", "0", "999", "../PASSWORD", &"0".repeat(64)] {
        let answer = stage.store().resolve(&source, &SecretVersion::Pinned(never.to_owned())).await;
        ensure(answer.is_err(), || format!("version {never:?} is resolved to {answer:?}"))?;
    }
    Ok(())
}

async fn the_version_of_one_secret_is_not_anothers(stage: &dyn SecretsStage) -> Held {
    let one = stage.put("PASSWORD", OLD).await;
    let other = stage.put("TOKEN", NEW).await;
    let (first, second) = (stage.store().bind(&one).await?, stage.store().bind(&other).await?);
    yields(&stage.store().resolve(&one, &first).await?, OLD)?;
    yields(&stage.store().resolve(&other, &second).await?, NEW)
}

async fn no_value_is_shown(stage: &dyn SecretsStage) -> Held {
    let source = stage.put("PASSWORD", OLD).await;
    let store = stage.store();
    let version = store.bind(&source).await?;
    let bound = store.resolve(&source, &version).await?;
    let presence = store.check(&[source.clone(), format!("{source}_NEVER_WAS")]).await?;
    let errors = [
        store.bind(&format!("{source}_NEVER_WAS")).await.err(),
        store.resolve(&source, &SecretVersion::Pinned("0".repeat(64))).await.err(),
    ];
    let shown =
        format!("{store} {store:?} {store:#?} {version:?} {bound:?} {bound:#?} {presence:?} {errors:?}");
    ensure(!shown.contains(OLD), || shown.replace(OLD, "(the value)"))
}

/// Holds what a task gets to be this value, or a reference that is not it.
fn yields(bound: &BoundSecret, value: &str) -> Held {
    match bound {
        BoundSecret::Value(found) if found.expose_secret() == value => Ok(()),
        // Values of this suite are no secrets.
        BoundSecret::Value(found) => {
            Err(Broken(format!("the value is {:?} and must be {value:?}", found.expose_secret())))
        }
        BoundSecret::Reference(reference) => {
            ensure(!reference.is_empty() && !reference.contains(value), || {
                format!("the reference is {reference:?}")
            })
        }
    }
}
