//! QS2xx: the ports that the router shall open are free, or ours.

use std::net::SocketAddr;

use super::Report;
use crate::finding::{Code, Finding};

/// What is known of an address that the router shall listen on for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// Our router listens there for this very service, or for one that may share it.
    Ours,
    /// Nobody listens there.
    Free,
    /// Somebody else listens there: a container, a process, another service of our router.
    Held {
        /// Who, in words.
        by: String,
        /// How to end it, where that can be told.
        hint: Option<String>,
    },
    /// We may not listen there.
    Forbidden {
        /// Why, in words.
        why: String,
        /// What to do about it.
        hint: String,
    },
}

/// Whether the router can listen on an address, which the settings name with this key, such as `public_port`.
pub fn port(key: &str, address: SocketAddr, state: &PortState) -> Report {
    let name = format!("{} {}", key.replace('_', " "), address.port());
    let finding = match state {
        PortState::Ours | PortState::Free => return Report::of(Vec::new()),
        PortState::Held { by, hint } => {
            let hint = hint.clone().unwrap_or_else(|| format!("stop it, or choose another {key}"));
            Finding::error(Code::PORT_HELD, format!("{name} is held by {by}")).with_hint(hint)
        }
        PortState::Forbidden { why, hint } => {
            Finding::error(Code::PORT_FORBIDDEN, format!("{name} cannot be opened: {why}")).with_hint(hint)
        }
    };
    Report::of(vec![finding.on(address.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_port_is_named() {
        let address = "127.0.0.1:8080".parse().expect("an address");
        let held = PortState::Held { by: "container web (nginx:1)".into(), hint: None };
        insta::assert_snapshot!(port("public_port", address, &held).findings[0], @r"
        QS201 public port 8080 is held by container web (nginx:1)
          --> 127.0.0.1:8080
          hint: stop it, or choose another public_port
        ");
        insta::assert_snapshot!(port("metrics_port", address, &held).findings[0], @r"
        QS201 metrics port 8080 is held by container web (nginx:1)
          --> 127.0.0.1:8080
          hint: stop it, or choose another metrics_port
        ");
        assert_eq!(port("public_port", address, &PortState::Ours).passed, 1);
    }
}
