//! Asking a service where its clients reach it: by a URL, whose host is looked up each time.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use http::Request;
use http::header::USER_AGENT;
use quickserve_core::config::PublicUrl;
use quickserve_core::health::{HealthProber, ProbeReport, ProbeRequest};
use quickserve_core::{Error, ErrorKind, Result};

use crate::clients::Clients;

/// The most of a body that is kept.
const MAX_BODY: usize = 64 * 1024;

/// Asks at a URL where a request names [`ADDRESS`](Self::ADDRESS), and another prober where it names a real one, such as
/// that of a test listener: what answers at the URL is not what stands there. It asks through the HTTP client of the `SdkConfig`, so that certificates are
/// looked at as for AWS, by the roots of the operating system.
#[derive(Debug, Clone)]
pub struct UrlProber {
    url: PublicUrl,
    elsewhere: Arc<dyn HealthProber>,
    operation: Operation<Request<SdkBody>, ProbeReport, ErrorMetadata>,
}

impl UrlProber {
    /// The address that stands for the URL where one is wanted. Nobody listens there.
    pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

    /// A prober at a URL; `elsewhere` asks at all other addresses.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the configuration has no HTTP client.
    pub fn new(clients: &Clients, url: PublicUrl, elsewhere: Arc<dyn HealthProber>) -> Result<Self> {
        let sdk = clients.sdk();
        let client = sdk.http_client().ok_or_else(|| {
            Error::new(ErrorKind::Invalid, format!("reach {url}: the SdkConfig has no HTTP client"))
                .with_hint("build it with `.http_client(quickserve_aws::https())`")
        })?;
        let scheme = if url.secure { "https" } else { "http" };
        let mut operation = Operation::builder()
            .service_name("public")
            .operation_name("Smoke")
            .behavior_version(BehaviorVersion::latest())
            .http_client(client)
            .endpoint_url(&format!("{scheme}://{}", url.authority))
            .no_auth()
            .no_retry();
        if let Some(sleep) = sdk.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        if let Some(time) = sdk.time_source() {
            operation = operation.time_source(time);
        }
        let serialise = |request: Request<SdkBody>| Ok(HttpRequest::try_from(request)?);
        let operation = operation.serializer(serialise).deserializer(report).build();
        Ok(Self { url, elsewhere, operation })
    }
}

#[async_trait]
impl HealthProber for UrlProber {
    /// # Errors
    /// [`ErrorKind::Invalid`] when the path or a header cannot be sent at all.
    async fn probe(&self, request: &ProbeRequest) -> Result<ProbeReport> {
        if request.address != Self::ADDRESS {
            return self.elsewhere.probe(request).await;
        }
        let path = request.path.as_deref().unwrap_or("/");
        let mut get = Request::get(format!("{}{path}", self.url.prefix))
            .header(USER_AGENT, concat!("quickserve/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &request.headers {
            get = get.header(name, value);
        }
        let get = get.body(SdkBody::empty()).map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("the request of {path:?} cannot be sent"))
                .with_source(error)
        })?;
        let answer = tokio::time::timeout(request.timeout, self.operation.invoke(get)).await;
        Ok(match answer {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => ProbeReport::Silent { why: words(&self.url, &error) },
            Err(_) => ProbeReport::Silent { why: format!("no answer within {:?}", request.timeout) },
        })
    }
}

fn report(answer: &HttpResponse) -> Result<ProbeReport, OrchestratorError<ErrorMetadata>> {
    let body = answer.body().bytes();
    let body = body.ok_or_else(|| OrchestratorError::other("the answer was not read whole"))?;
    let mut body = String::from_utf8_lossy(&body[..body.len().min(MAX_BODY)]).into_owned();
    // What is not text takes more room as text.
    body.truncate(body.floor_char_boundary(MAX_BODY));
    Ok(ProbeReport::Answered { status: answer.status().as_u16(), body })
}

/// Why there was no answer: each cause once.
fn words(url: &PublicUrl, error: &SdkError<ErrorMetadata, HttpResponse>) -> String {
    let mut said = BTreeSet::new();
    let mut parts = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if said.insert(text.clone()) {
            parts.push(text);
        }
        next = cause.source();
    }
    let why = if parts.is_empty() { error.to_string() } else { parts.join(": ") };
    format!("{url} did not answer: {why}")
}

impl fmt::Display for UrlProber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}
