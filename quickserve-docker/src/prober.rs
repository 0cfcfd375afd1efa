//! Asks tasks over HTTP/1.1 or TCP whether they are well.

mod tls;

use std::fmt;
use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use quickserve_core::health::{HealthProber, ProbeReport, ProbeRequest};
use quickserve_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The most of a body that is read.
const MAX_BODY: usize = 64 * 1024;

/// One `GET` over a connection of its own, or the opening of a connection.
///
/// A new connection each time: a task that still answers on an old one but takes no new ones is not well.
#[derive(Debug, Clone, Default)]
pub struct HttpProber {
    public: Option<Public>,
}

/// How the router is asked at a service's public address.
#[derive(Debug, Clone)]
struct Public {
    address: SocketAddr,
    /// The host to ask for.
    name: Option<String>,
    tls: bool,
}

impl HttpProber {
    /// One that asks at the router's public address for a host, where the service has one, and with TLS where it
    /// speaks that. Whose certificate it shows is not looked at: it is an address of this machine.
    pub fn for_public(address: SocketAddr, name: Option<&str>, tls: bool) -> Self {
        Self { public: Some(Public { address, name: name.map(str::to_owned), tls }) }
    }

    /// The public address, when it is the one to ask.
    fn public(&self, address: SocketAddr) -> Option<&Public> {
        self.public.as_ref().filter(|public| public.address == address)
    }
}

impl fmt::Display for HttpProber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the HTTP prober")
    }
}

#[async_trait]
impl HealthProber for HttpProber {
    /// # Errors
    /// [`ErrorKind::Invalid`] when the path or a header cannot be sent at all.
    async fn probe(&self, request: &ProbeRequest) -> Result<ProbeReport> {
        let public = self.public(request.address);
        let name = public.and_then(|public| public.name.as_deref());
        let get = match &request.path {
            Some(path) => Some(get(request, path, name)?),
            None => None,
        };
        let attempt = attempt(request.address, get, public.is_some_and(|public| public.tls), name);
        let report = tokio::time::timeout(request.timeout, attempt).await;
        Ok(report.unwrap_or_else(|_| ProbeReport::Silent {
            why: format!("no answer within {:?}", request.timeout),
        }))
    }
}

fn get(probe: &ProbeRequest, path: &str, name: Option<&str>) -> Result<Request<Empty<Bytes>>> {
    let invalid =
        |what: &str, given: &str| Error::new(ErrorKind::Invalid, format!("{what} {given:?} cannot be sent"));
    let target: Uri = path.parse().map_err(|error| invalid("health check path", path).with_source(error))?;
    if !path.starts_with('/') {
        return Err(invalid("health check path", path).with_hint("it begins with a slash"));
    }
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = target;
    let host = name.map_or_else(|| probe.address.to_string(), str::to_owned);
    let host = HeaderValue::from_str(&host).map_err(|error| invalid("host", &host).with_source(error))?;
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("quickserve/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &probe.headers {
        let field: HeaderName =
            name.parse().map_err(|error| invalid("header name", name).with_source(error))?;
        // Not the value itself: it may be a credential.
        let value = HeaderValue::from_str(value)
            .map_err(|error| invalid("the value of header", name).with_source(error))?;
        headers.insert(field, value);
    }
    Ok(request)
}

async fn attempt(
    address: SocketAddr,
    get: Option<Request<Empty<Bytes>>>,
    secure: bool,
    name: Option<&str>,
) -> ProbeReport {
    let stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(error) => return ProbeReport::Silent { why: in_words(&error) },
    };
    let Some(get) = get else { return ProbeReport::Connected };
    let exchanged = if secure {
        match tls::connect(stream, address.ip(), name).await {
            Ok(stream) => exchange(stream, get).await,
            Err(error) => return ProbeReport::Silent { why: format!("no TLS: {error}") },
        }
    } else {
        exchange(stream, get).await
    };
    match exchanged {
        Ok(report) => report,
        Err(error) => ProbeReport::Silent { why: no_answer(&error) },
    }
}

async fn exchange<S>(stream: S, get: Request<Empty<Bytes>>) -> hyper::Result<ProbeReport>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let answer = sender.send_request(get).await?;
        let status = answer.status().as_u16();
        let body = beginning(answer.into_body()).await;
        Ok(ProbeReport::Answered { status, body })
    };
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        report = exchange.as_mut() => report,
        // The connection may end with the last byte of the answer, which the exchange still has to read.
        _ = connection.as_mut() => exchange.await,
    }
}

/// The beginning of a body; one that breaks off has been answered all the same.
async fn beginning(mut body: Incoming) -> String {
    let mut seen = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            let room = MAX_BODY - seen.len();
            seen.extend_from_slice(&data[..data.len().min(room)]);
        }
        if seen.len() == MAX_BODY {
            break;
        }
    }
    let mut text = String::from_utf8_lossy(&seen).into_owned();
    // What is not text takes more room as text.
    text.truncate(text.floor_char_boundary(MAX_BODY));
    text
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::TimedOut => "connecting timed out".to_owned(),
        _ => error.to_string(),
    }
}

fn no_answer(error: &hyper::Error) -> String {
    if error.is_incomplete_message() {
        "the connection was closed without an answer".to_owned()
    } else if error.is_parse() {
        "the answer is not HTTP".to_owned()
    } else {
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
        cause.map_or_else(|| error.to_string(), in_words)
    }
}
