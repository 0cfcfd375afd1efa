//! JSON of which only some values are read: everything else stays text, byte for byte.

use std::fmt;

use quickserve_core::{Error, ErrorKind, Result};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// An object that keeps its order, its numbers and its unknown members as they are written.
#[derive(Debug, Clone, Default)]
pub(super) struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// The member of this name, read; `None` where there is none or it is null.
    pub(super) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("read `{name}` of the task definition")).with_source(error)
        })
    }

    /// Sets a member: in its place, or at the end.
    pub(super) fn set<T: Serialize>(&mut self, name: &str, value: &T) -> Result<()> {
        let value = to_raw_value(value).map_err(|error| {
            Error::new(ErrorKind::Unexpected, format!("write `{name}`")).with_source(error)
        })?;
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// Takes members away.
    pub(super) fn drop(&mut self, names: &[&str]) {
        self.0.retain(|(known, _)| !names.contains(&known.as_str()));
    }

    /// The members as they are written.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_stays_as_it_is_written() {
        let text =
            r#"{"z":1.0,"a":12345678901234567890.10,"made":{"y" : [1e3, "\u0041"],"x":null},"image":"old"}"#;
        let mut object: Object = serde_json::from_str(text).expect("an object");
        object.set("image", &"new").expect("set");
        let written = serde_json::to_string(&object).expect("written");
        assert_eq!(written, text.replace("old", "new"));
    }

    #[test]
    fn a_null_counts_as_absent() {
        let object: Object = serde_json::from_str(r#"{"family": null}"#).expect("an object");
        assert_eq!(object.get::<String>("family").expect("read"), None);
        assert!(object.get::<String>("none").expect("read").is_none());
    }
}
