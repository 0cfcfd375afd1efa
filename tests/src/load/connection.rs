//! A client's connection to the public port, of either version of HTTP.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

pub(super) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    /// Without TLS, with prior knowledge (RFC 9113, 3.3).
    Http2,
}

/// A connection with one request at a time.
pub(super) enum Connection {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    /// A new one.
    pub(super) async fn open(address: SocketAddr, version: Version) -> Result<Self, String> {
        let stream = TokioIo::new(stream(address).await?);
        // What goes wrong with a connection is told to its request.
        Ok(match version {
            Version::Http1 => {
                let (sender, driver) = http1::handshake(stream).await.map_err(|error| chain(&error))?;
                tokio::spawn(async move { drop(driver.await) });
                Self::Http1(sender)
            }
            Version::Http2 => {
                let shaken = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, driver) = shaken.map_err(|error| chain(&error))?;
                tokio::spawn(async move { drop(driver.await) });
                Self::Http2(sender)
            }
        })
    }

    /// Whether it takes another request: a server may close a connection on which nothing is under way.
    pub(super) async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends a request and waits for the beginning of its answer.
    pub(super) async fn send(
        &mut self,
        address: SocketAddr,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Response<Incoming>, String> {
        let request = Request::builder().method(method);
        let answer = match self {
            Self::Http1(sender) => {
                let request = request.uri(path).header(hyper::header::HOST, address.to_string()).body(body);
                sender.send_request(request.map_err(|error| error.to_string())?).await
            }
            Self::Http2(sender) => {
                let whole: Uri =
                    format!("http://{address}{path}").parse().map_err(|error| format!("{error}"))?;
                let request = request.uri(whole).body(body);
                sender.send_request(request.map_err(|error| error.to_string())?).await
            }
        };
        answer.map_err(|error| chain(&error))
    }
}

/// A new connection, before anything is said.
pub(super) async fn stream(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
