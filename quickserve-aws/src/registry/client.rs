//! A connection to one registry, and who we are there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use quickserve_core::clock::{Clock, between};
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use super::credentials::RegistryCredentials;
use super::failure::failed;

/// A client is made anew after this time, because it keeps the credentials that it was given first. ECR's hold
/// for 12 hours, those of helpers often for one.
const LIFETIME: Duration = Duration::from_mins(15);
const CONNECT: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_secs(30);

/// Connections to registries, each made when it is first needed.
#[derive(Debug)]
pub(crate) struct Connections {
    credentials: Arc<dyn RegistryCredentials>,
    clock: Arc<dyn Clock>,
    open: Mutex<BTreeMap<String, Connection>>,
}

/// A client of one registry.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) auth: RegistryAuth,
    since: Timestamp,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Connections {
    pub(crate) fn new(credentials: Arc<dyn RegistryCredentials>, clock: Arc<dyn Clock>) -> Self {
        Self { credentials, clock, open: Mutex::default() }
    }

    /// A client that is logged in for an act on an image.
    pub(crate) async fn to(&self, image: &Reference, operation: RegistryOperation) -> Result<Connection> {
        let connection = self.connection(image.resolve_registry()).await?;
        // Without this a login that fails would be an anonymous request that fails, with another reason.
        let login = connection.client.auth(image, &connection.auth, operation).await;
        login.map_err(|error| failed("log in for", image, error))?;
        Ok(connection)
    }

    async fn connection(&self, host: &str) -> Result<Connection> {
        let now = self.clock.now();
        let mut open = self.open.lock().await;
        if let Some(connection) = open.get(host).filter(|it| between(it.since, now) < LIFETIME) {
            return Ok(connection.clone());
        }
        let auth = match self.credentials.login(host).await? {
            None => RegistryAuth::Anonymous,
            Some(login) => RegistryAuth::Basic(login.username, login.password.expose_secret().to_owned()),
        };
        let config = ClientConfig {
            protocol: if is_loopback(host) { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT),
            read_timeout: Some(READ),
            user_agent: concat!("quickserve/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|_| {
            Error::new(ErrorKind::Unexpected, format!("set up a client for the registry {host}"))
        })?;
        let connection = Connection { client, auth, since: now };
        open.insert(host.to_owned(), connection.clone());
        Ok(connection)
    }
}

/// Docker, too, speaks without TLS to registries on this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        assert!(is_loopback("localhost:5000") && is_loopback("127.0.0.1:5000"));
        assert!(!is_loopback("localhost.example.com:5000") && !is_loopback("ghcr.io"));
    }
}
