//! What a person wrote where a release's definition holds something else, kept in the definition itself: whoever reads
//! it as the live one gets back what was written, not what one release made of it.

use std::collections::BTreeMap;

use quickserve_core::Result;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::json::Object;

/// The container's label that it is kept in.
const LABEL: &str = "quickserve.written";

/// What stands in a definition in the place of something else.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    /// Members as they were written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    members: BTreeMap<String, Box<RawValue>>,
    /// Variables as they were written; none where nobody wrote them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<String, Option<String>>,
    /// References of secrets as they were written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<String, String>,
}

/// Members that a release fills in as a whole.
const MEMBERS: &[&str] = &["command", "entryPoint", "healthCheck"];

/// Keeps in a container's definition what was written where it has changed.
pub(super) fn keep(definition: &mut Object, written: &Object) -> Result<()> {
    let mut kept = Written::default();
    for name in MEMBERS {
        let (now, then): (Option<Box<RawValue>>, Option<Box<RawValue>>) =
            (definition.get(name)?, written.get(name)?);
        if let (Some(now), Some(then)) = (now, then)
            && now.get() != then.get()
        {
            kept.members.insert((*name).to_owned(), then);
        }
    }
    let (now, then) = (values(definition, "environment", "value")?, values(written, "environment", "value")?);
    for (name, _) in now.iter().filter(|(name, value)| then.get(*name) != Some(value)) {
        kept.environment.insert(name.clone(), then.get(name).cloned());
    }
    let (now, then) = (values(definition, "secrets", "valueFrom")?, values(written, "secrets", "valueFrom")?);
    for (name, reference) in then.into_iter().filter(|(name, reference)| now.get(name) != Some(reference)) {
        kept.secrets.insert(name, reference);
    }
    let mut labels: BTreeMap<String, String> = definition.get("dockerLabels")?.unwrap_or_default();
    labels.insert(LABEL.to_owned(), serde_json::to_string(&kept).map_err(unwritable)?);
    definition.set("dockerLabels", &labels)
}

/// Puts back what was written, in a definition that a release was registered with; any other stays as it is.
pub(super) fn restore(definition: &mut Object) -> Result<()> {
    let mut labels: BTreeMap<String, String> = definition.get("dockerLabels")?.unwrap_or_default();
    let Some(kept) = labels.remove(LABEL) else { return Ok(()) };
    let kept: Written = serde_json::from_str(&kept).map_err(unreadable)?;
    if labels.is_empty() {
        definition.drop(&["dockerLabels"]);
    } else {
        definition.set("dockerLabels", &labels)?;
    }
    for (name, member) in &kept.members {
        definition.set(name, member)?;
    }
    if let Some(mut variables) = definition.get::<Vec<Object>>("environment")? {
        variables
            .retain(|it| !matches!(name_of(it).map(|name| kept.environment.get(&name)), Some(Some(None))));
        for variable in &mut variables {
            if let Some(Some(Some(value))) = name_of(variable).map(|name| kept.environment.get(&name)) {
                variable.set("value", value)?;
            }
        }
        if variables.is_empty() {
            definition.drop(&["environment"]);
        } else {
            definition.set("environment", &variables)?;
        }
    }
    if let Some(mut secrets) = definition.get::<Vec<Object>>("secrets")? {
        for secret in &mut secrets {
            if let Some(reference) = name_of(secret).and_then(|name| kept.secrets.get(&name)) {
                secret.set("valueFrom", reference)?;
            }
        }
        definition.set("secrets", &secrets)?;
    }
    Ok(())
}

fn name_of(entry: &Object) -> Option<String> {
    entry.get("name").ok().flatten()
}

/// A list of named things as a map.
fn values(definition: &Object, list: &str, value: &str) -> Result<BTreeMap<String, String>> {
    let entries: Vec<Object> = definition.get(list)?.unwrap_or_default();
    let mut values = BTreeMap::new();
    for entry in entries {
        if let (Some(name), Some(value)) = (entry.get("name")?, entry.get(value)?) {
            values.insert(name, value);
        }
    }
    Ok(values)
}

fn unwritable(error: serde_json::Error) -> quickserve_core::Error {
    quickserve_core::Error::new(quickserve_core::ErrorKind::Unexpected, "keep what was written")
        .with_source(error)
}

fn unreadable(error: serde_json::Error) -> quickserve_core::Error {
    let message = format!("read the label {LABEL} of the live task definition");
    quickserve_core::Error::new(quickserve_core::ErrorKind::Invalid, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        serde_json::from_str(text).expect("an object")
    }

    #[test]
    fn what_a_release_put_in_is_taken_out_again() {
        let written = object(
            r#"{"name":"app","command":["serve","${TAG}"],"environment":[{"name":"A","value":"${TAG}"},{"name":"B","value":"b"}],"secrets":[{"name":"DB","valueFrom":"shop/db"}]}"#,
        );
        let mut definition = object(
            r#"{"name":"app","command":["serve","1"],"environment":[{"name":"A","value":"1"},{"name":"B","value":"b"},{"name":"C","value":"c"}],"secrets":[{"name":"DB","valueFrom":"arn:x:::v1"}]}"#,
        );
        keep(&mut definition, &written).expect("kept");
        assert!(serde_json::to_string(&definition).expect("text").contains("quickserve.written"));
        restore(&mut definition).expect("restored");
        let text = |object: &Object| serde_json::to_string(object).expect("text");
        assert_eq!(text(&definition), text(&written));
    }

    #[test]
    fn a_definition_of_others_stays_as_it_is() {
        let text =
            r#"{"name":"app","dockerLabels":{"team":"shop"},"environment":[{"name":"A","value":"1"}]}"#;
        let mut definition = object(text);
        restore(&mut definition).expect("restored");
        assert_eq!(serde_json::to_string(&definition).expect("text"), text);
    }
}
