//! The dependency: a real TCP connection where one is asked for, else a switch.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one attempt may take; shorter than the time a health check usually has.
const LIMIT: Duration = Duration::from_secs(1);

/// How the database's state is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// Simulated, up.
    Up,
    /// Simulated, down: `STOREFRONT_FAIL_DATABASE`.
    Down,
    /// Connected to at each health check: `STOREFRONT_CHECK_DATABASE`.
    Checked(Endpoint),
}

impl Database {
    /// Whether the database answers.
    pub(crate) async fn connected(&self) -> bool {
        match self {
            Self::Up => true,
            Self::Down => false,
            Self::Checked(Endpoint { host, port }) => {
                matches!(timeout(LIMIT, TcpStream::connect((host.as_str(), *port))).await, Ok(Ok(_)))
            }
        }
    }
}

/// Where a database listens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Takes host and port out of `tcp://host:port` or `postgresql://user:password@host[:port]/name`.
    pub(crate) fn from_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let default_port = match scheme {
            "tcp" => None,
            "postgres" | "postgresql" => Some(5432),
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let address = authority.rsplit_once('@').map_or(authority, |(_user, address)| address);
        let (host, port) = match address.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None => address.split_at(address.find(':').unwrap_or(address.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok()?,
            None if port.is_empty() => default_port?,
            None => return None,
        };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Option<(String, u16)> {
        Endpoint::from_url(url).map(|endpoint| (endpoint.host, endpoint.port))
    }

    #[test]
    fn host_and_port_are_taken_from_the_url() {
        let at = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(parsed("tcp://db:6000"), at("db", 6000));
        assert_eq!(
            parsed("postgresql://user:p@ss@db.internal:5433/shop?sslmode=off"),
            at("db.internal", 5433)
        );
        assert_eq!(parsed("postgres://db/shop"), at("db", 5432));
        assert_eq!(parsed("tcp://[::1]:7000"), at("::1", 7000));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["", "db:5432", "tcp://db", "tcp://:1", "tcp://db:x", "mysql://db:1", "tcp://[::1]x:1"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
