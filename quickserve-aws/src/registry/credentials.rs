//! Who we are to a registry.

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::SecretString;

/// A name and a password for a registry. Its `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
}

/// Finds credentials for a registry.
#[async_trait]
pub trait RegistryCredentials: fmt::Debug + Send + Sync + 'static {
    /// Credentials for a registry's host, such as `ghcr.io`; `None` to ask it anonymously.
    async fn login(&self, host: &str) -> Result<Option<Login>>;
}

/// No credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

#[async_trait]
impl RegistryCredentials for Anonymous {
    async fn login(&self, _: &str) -> Result<Option<Login>> {
        Ok(None)
    }
}

/// What `docker login` has kept: a `config.json`, and the helper programs that it names.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    path: PathBuf,
}

/// Docker Hub's entry in a `config.json` has the address of its old index.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

impl DockerConfig {
    /// A `config.json`, usually `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`. Where there is no such
    /// file, registries are asked anonymously.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[async_trait]
impl RegistryCredentials for DockerConfig {
    async fn login(&self, host: &str) -> Result<Option<Login>> {
        let entry = if matches!(host, "docker.io" | "index.docker.io") { DOCKER_HUB } else { host };
        let (path, entry) = (self.path.clone(), entry.to_owned());
        // Helpers are programs that are waited for.
        let found = tokio::task::spawn_blocking(move || match std::fs::File::open(path) {
            Ok(file) => docker_credential::get_credential_from_reader(file, &entry),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(CredentialRetrievalError::ConfigNotFound)
            }
            Err(_) => Err(CredentialRetrievalError::ConfigReadError),
        });
        let found = found.await.map_err(|_| {
            Error::new(
                ErrorKind::Unexpected,
                format!("read the credentials for {host}: its task ended early"),
            )
        })?;
        match found {
            Ok(DockerCredential::UsernamePassword(username, password)) => {
                Ok(Some(Login { username, password: password.into() }))
            }
            Ok(DockerCredential::IdentityToken(_)) => {
                let message =
                    format!("log in to {host}: an identity token is kept for it, which is not supported");
                Err(Error::new(ErrorKind::Unsupported, message).with_hint(format!(
                    "log in with a name and a token or password: docker login -u NAME {host}"
                )))
            }
            Err(
                CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound,
            ) => Ok(None),
            Err(error) => Err(unreadable(host, &self.path.display().to_string(), &error)),
        }
    }
}

/// What a helper printed may hold the password, so it is not shown.
fn unreadable(host: &str, path: &str, error: &CredentialRetrievalError) -> Error {
    let why = match error {
        CredentialRetrievalError::HelperFailure { helper, .. } => {
            // Helpers have no common way to say this but their words.
            format!("docker-credential-{helper} has none or failed")
        }
        CredentialRetrievalError::HelperCommunicationError => {
            "its credential helper cannot be run".to_owned()
        }
        CredentialRetrievalError::MalformedHelperResponse => "its credential helper gave no JSON".to_owned(),
        CredentialRetrievalError::CredentialMismatchError => {
            "`auth` differs from `username` and `password`".to_owned()
        }
        CredentialRetrievalError::CredentialDecodingError => {
            "`auth` is no base64 of name:password".to_owned()
        }
        _ => "it cannot be read".to_owned(),
    };
    Error::new(ErrorKind::PermissionDenied, format!("read the credentials for {host} in {path}: {why}"))
        .with_hint(format!("log in again: docker login {host}"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn config(text: &str) -> (tempfile::TempDir, DockerConfig) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("config.json");
        std::fs::write(&path, text).expect("written");
        (dir, DockerConfig::new(path))
    }

    #[tokio::test]
    async fn what_docker_login_kept_is_found_for_its_host_only() {
        // ada:hopper
        let (_dir, config) = config(r#"{"auths": {"ghcr.io": {"auth": "YWRhOmhvcHBlcg=="}}}"#);
        let login = config.login("ghcr.io").await.expect("read").expect("credentials");
        assert_eq!((login.username.as_str(), login.password.expose_secret()), ("ada", "hopper"));
        assert!(config.login("quay.io").await.expect("read").is_none());
        assert!(!format!("{login:?}").contains("hopper"));
    }

    #[tokio::test]
    async fn docker_hub_is_found_under_its_old_address() {
        let (_dir, config) =
            config(r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YWRhOmhvcHBlcg=="}}}"#);
        assert!(config.login("docker.io").await.expect("read").is_some());
    }

    #[tokio::test]
    async fn no_file_means_nobody_is_logged_in() {
        let config = DockerConfig::new("/nonexistent/config.json");
        assert!(config.login("ghcr.io").await.expect("read").is_none());
    }

    #[tokio::test]
    async fn a_missing_helper_is_told_with_the_remedy() {
        let (_dir, config) = config(r#"{"credHelpers": {"ghcr.io": "quickserve-never-was"}}"#);
        let error = config.login("ghcr.io").await.expect_err("no helper");
        assert_eq!(error.hint(), Some("log in again: docker login ghcr.io"));
    }

    #[tokio::test]
    async fn a_password_that_cannot_be_read_is_not_shown() {
        let (_dir, config) = config(r#"{"auths": {"ghcr.io": {"auth": "hunter2-is-no-base64!"}}}"#);
        let error = config.login("ghcr.io").await.expect_err("no base64");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}
