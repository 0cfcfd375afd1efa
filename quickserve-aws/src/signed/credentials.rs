//! The SDK's credentials for what `object_store` signs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use jiff::Timestamp;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use quickserve_core::clock::{Clock, after};
use quickserve_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use super::endpoint::Service;
use crate::error::no_credentials;

/// Credentials that do not say how long they hold are asked for again after this time, as the SDK's own cache does.
const UNLIMITED: Duration = Duration::from_mins(15);
/// Credentials are not used so shortly before they end: a request with its retries takes less.
const RESERVE: Duration = Duration::from_mins(1);

/// What the SDK's chain finds, kept until shortly before it ends: the chain itself may ask STS each time.
pub(crate) struct Credentials {
    service: Service,
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    credential: Arc<AwsCredential>,
    until: Timestamp,
}

impl Credentials {
    pub(crate) fn new(service: Service, provider: SharedCredentialsProvider, clock: Arc<dyn Clock>) -> Self {
        Self { service, provider, clock, kept: Mutex::default() }
    }

    /// Credentials that hold for a while.
    pub(crate) async fn get(&self) -> Result<Arc<AwsCredential>> {
        let now = self.clock.now();
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.until) {
            return Ok(Arc::clone(&kept.credential));
        }
        let found = self
            .provider
            .provide_credentials()
            .await
            .map_err(|error| no_credentials(self.service.name(), &error))?;
        let until = match found.expiry() {
            None => after(now, UNLIMITED),
            Some(expiry) => {
                let expiry = Timestamp::try_from(expiry).map_err(|error| {
                    Error::new(ErrorKind::Unexpected, "read when the credentials for AWS end")
                        .with_source(error)
                })?;
                expiry.checked_sub(RESERVE).unwrap_or(now)
            }
        };
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        });
        *kept = Some(Kept { credential: Arc::clone(&credential), until });
        Ok(credential)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.get().await.map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;

    use aws_credential_types::provider::{ProvideCredentials, future};
    use quickserve_core::memory::MemoryClock;

    use super::*;

    /// Credentials of one hour each, numbered.
    #[derive(Debug)]
    struct Hourly(Arc<MemoryClock>, AtomicU64);

    impl ProvideCredentials for Hourly {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.1.fetch_add(1, Ordering::Relaxed).to_string();
            let ends = SystemTime::from(after(self.0.now(), Duration::from_hours(1)));
            let found = aws_credential_types::Credentials::new(number, "s", None, Some(ends), "test");
            future::ProvideCredentials::ready(Ok(found))
        }
    }

    #[tokio::test]
    async fn credentials_are_asked_for_again_shortly_before_they_end() {
        let clock = Arc::new(MemoryClock::default());
        let provider = SharedCredentialsProvider::new(Hourly(clock.clone(), AtomicU64::new(0)));
        let credentials = Credentials::new(Service::S3, provider, clock.clone());
        let mut seen = Vec::new();
        for minutes in [0, 58, 1, 10] {
            clock.advance(Duration::from_mins(minutes));
            seen.push(credentials.get().await.expect("credentials").key_id.clone());
        }
        assert_eq!(seen, ["0", "0", "1", "1"]);
    }
}
