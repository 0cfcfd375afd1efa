//! One request, through the HTTP client and within the time limits of an `SdkConfig`.

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response, Uri};
use quickserve_core::{Error, ErrorKind, Result};

use super::endpoint::Service;
use crate::chain::ATTEMPT;
use crate::error::Call;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("quickserve/", env!("CARGO_PKG_VERSION")));

/// Sends requests that are signed already, once each.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    operation: Operation<Request<Bytes>, Response<Bytes>, ErrorMetadata>,
}

impl Wire {
    /// A way to an endpoint of a service.
    pub(crate) fn new(sdk: &SdkConfig, service: Service, endpoint: &str) -> Result<Self> {
        let client = sdk.http_client().ok_or_else(|| {
            Error::new(ErrorKind::Invalid, format!("reach {service}: the SdkConfig has no HTTP client"))
                .with_hint("build it with `.http_client(quickserve_aws::https())`")
        })?;
        let limits = || TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
        let mut operation = Operation::builder()
            .service_name(service.name())
            .operation_name("Request")
            .behavior_version(BehaviorVersion::latest())
            .http_client(client)
            .endpoint_url(&root(service, endpoint)?)
            .no_auth()
            .no_retry()
            .timeout_config(sdk.timeout_config().cloned().unwrap_or_else(limits));
        if let Some(sleep) = sdk.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        if let Some(time) = sdk.time_source() {
            operation = operation.time_source(time);
        }
        let serialise = |request: Request<Bytes>| Ok(HttpRequest::try_from(request.map(SdkBody::from))?);
        Ok(Self { operation: operation.serializer(serialise).deserializer(whole).build() })
    }

    /// The answer, whatever its status.
    pub(crate) async fn send(&self, call: Call, mut request: Request<Bytes>) -> Result<Response<Bytes>> {
        request.headers_mut().entry(USER_AGENT).or_insert(AGENT);
        // The endpoint gives the rest.
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        self.operation.invoke(request).await.map_err(|error| call.failed(error))
    }
}

/// Scheme, host and port.
fn root(service: Service, endpoint: &str) -> Result<String> {
    let unfit = || Error::new(ErrorKind::Invalid, format!("use {endpoint:?} as the endpoint of {service}"));
    let uri: Uri = endpoint.parse().map_err(|_| unfit())?;
    let (scheme, authority) = (uri.scheme_str().ok_or_else(unfit)?, uri.authority().ok_or_else(unfit)?);
    Ok(format!("{scheme}://{authority}"))
}

fn whole(answer: &HttpResponse) -> Result<Response<Bytes>, OrchestratorError<ErrorMetadata>> {
    let body = answer.body().bytes().map(Bytes::copy_from_slice);
    let body = body.ok_or_else(|| OrchestratorError::other("the answer was not read whole"))?;
    let mut response = Response::builder().status(answer.status().as_u16());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    response.body(body).map_err(OrchestratorError::other)
}
