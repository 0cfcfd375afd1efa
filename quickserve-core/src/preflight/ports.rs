//! QS2xx: the public port is free, or ours.

use std::net::SocketAddr;

use super::Report;
use crate::finding::{Code, Finding};

/// What is known of the address on which a service shall be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicPort {
    /// Our router listens there for this very service.
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
    },
}

/// Whether a service can be reached on its public address.
pub fn public_port(address: SocketAddr, state: &PublicPort) -> Report {
    let port = address.port();
    let finding = match state {
        PublicPort::Ours | PublicPort::Free => return Report::of(Vec::new()),
        PublicPort::Held { by, hint } => {
            let hint = hint.clone().unwrap_or_else(|| "stop it, or choose another public_port".to_owned());
            Finding::error(Code::PORT_HELD, format!("public port {port} is held by {by}")).with_hint(hint)
        }
        PublicPort::Forbidden { why } => {
            Finding::error(Code::PORT_FORBIDDEN, format!("public port {port} cannot be opened: {why}"))
                .with_hint("choose another public_port or public_host; ports below 1024 need a privilege")
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
        let held = PublicPort::Held { by: "container web (nginx:1)".into(), hint: None };
        insta::assert_snapshot!(public_port(address, &held).findings[0], @r"
        QS201 public port 8080 is held by container web (nginx:1)
          --> 127.0.0.1:8080
          hint: stop it, or choose another public_port
        ");
        assert_eq!(public_port(address, &PublicPort::Ours).passed, 1);
    }
}
