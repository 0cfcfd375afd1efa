//! Which service is meant: its name and the environment it runs in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A service in an environment: the unit that is deployed, locked and journalled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    service: String,
    environment: String,
}

impl ServiceKey {
    /// Names a service in an environment.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] unless both are 1 to 63 lower-case letters, digits and inner hyphens, as a DNS
    /// label is (RFC 1123, 2.1): they become network names, container names and path segments.
    pub fn new(service: impl Into<String>, environment: impl Into<String>) -> Result<Self> {
        let key = Self { service: service.into(), environment: environment.into() };
        for (what, name) in [("service", &key.service), ("environment", &key.environment)] {
            if !is_label(name) {
                let message = format!("{what} name {name:?} is not usable as a host name");
                let hint = "use 1 to 63 lower-case letters, digits and inner hyphens";
                return Err(Error::new(ErrorKind::Invalid, message).with_hint(hint));
            }
        }
        Ok(key)
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The environment's name.
    pub fn environment(&self) -> &str {
        &self.environment
    }
}

fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        assert!(ServiceKey::new("quickserve", "production").is_ok());
        for bad in ["", "-a", "a-", "A", "a/b", "a.b", "..", &"a".repeat(64)] {
            assert!(ServiceKey::new(bad, "local").is_err(), "{bad}");
        }
    }
}
