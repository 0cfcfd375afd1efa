//! One bucket: as a store of objects, and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::Region;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Response};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, S3ConditionalPut};
use object_store::client::HttpRequest;
use object_store::{BackoffConfig, RetryConfig};
use quickserve_core::clock::Clock;
use quickserve_core::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};

use super::Location;
use super::answer;
use super::service::Connector;
use crate::clients::Clients;
use crate::error::{Call, failed_to};
use crate::signed::{Credentials, Service, Wire, endpoint};

/// Within one call of a store, which its user makes again: a lease must not end meanwhile.
const RETRIES: usize = 2;
const RETRY_WITHIN: Duration = Duration::from_secs(10);

/// A bucket and who we are there.
#[derive(Clone)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) region: String,
    endpoint: String,
    credentials: Arc<Credentials>,
    wire: Wire,
}

impl Bucket {
    /// The bucket of a place. Nothing is sent yet.
    pub(crate) fn new(clients: &Clients, place: &Location, clock: Arc<dyn Clock>) -> Result<Self> {
        let sdk = clients.sdk();
        let region =
            place.region.clone().or_else(|| sdk.region().map(Region::to_string)).ok_or_else(|| {
                Error::new(ErrorKind::Invalid, format!("find the region of {place}")).with_hint(format!(
                    "say where it is: {place}?region=<region>, or set `region` in quickserve.toml"
                ))
            })?;
        let endpoint = endpoint(sdk, Service::S3, &region)?;
        let provider = sdk.credentials_provider().ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "reach S3: the SdkConfig has no credentials provider")
        })?;
        let wire = Wire::new(sdk, Service::S3, &endpoint)?;
        let credentials = Arc::new(Credentials::new(Service::S3, provider, clock));
        Ok(Self { name: place.bucket.clone(), region, endpoint, credentials, wire })
    }

    /// Its objects.
    pub(crate) fn objects(&self) -> Result<AmazonS3> {
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(1), ..BackoffConfig::default() },
            max_retries: RETRIES,
            retry_timeout: RETRY_WITHIN,
        };
        let (wire, bucket, region) = (self.wire.clone(), self.name.clone(), self.region.clone());
        AmazonS3Builder::new()
            .with_bucket_name(&self.name)
            .with_region(&self.region)
            .with_endpoint(&self.endpoint)
            .with_credentials(self.credentials.clone())
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_disable_bulk_delete(true)
            .with_retry(retry)
            .with_http_connector(Connector { wire, bucket, region })
            .build()
            .map_err(|error| failed_to(format!("set up the bucket {}", self.name), &error))
    }

    /// One request about the bucket itself; `query` names the part of its settings.
    ///
    /// # Errors
    /// As S3 says, but for the statuses by which [`objects`](Self::objects) tells absence and conflict: those are answers.
    pub(crate) async fn ask(
        &self,
        call: Call,
        method: Method,
        query: &str,
        body: Bytes,
    ) -> Result<Response<Bytes>> {
        let uri = format!("{}/{}{query}", self.endpoint, self.name);
        let unsigned =
            |error: &(dyn std::error::Error + 'static)| failed_to(format!("sign {}", call.text()), error);
        let mut request = http::Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            // S3 API reference: changes of settings carry a checksum.
            request = request.header("x-amz-checksum-sha256", BASE64_STANDARD.encode(Sha256::digest(&body)));
        }
        let request = request.body(body.clone());
        let mut request: HttpRequest = request.map_err(|error| unsigned(&error))?.map(Into::into);
        let credential = self.credentials.get().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|error| unsigned(&error))?;
        let answer = self.wire.send(call, request.map(|_| body)).await?;
        match answer::error(call, &self.name, &self.region, &answer) {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
