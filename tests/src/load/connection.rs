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
        Ok(match version {
            Version::Http1 => {
                let shaken = http1::handshake(TokioIo::new(stream(address).await?)).await;
                let (sender, driver) = shaken.map_err(|error| chain(&error))?;
                tokio::spawn(async move { drop(driver.await) });
                Self::Http1(sender)
            }
            Version::Http2 => Self::Http2(http2(address).await?),
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
    ///
    /// A server may say goodbye on an HTTP/2 connection at any moment. A request that has not left this client by then
    /// is sent over another one, as every client does (RFC 9113, 6.8); that is no failure, and nothing is sent twice.
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
                let request = request.uri(whole).body(body).map_err(|error| error.to_string())?;
                match sender.try_send_request(request).await {
                    Ok(answer) => Ok(answer),
                    Err(mut failed) => match failed.take_message() {
                        Some(unsent) => {
                            *sender = http2(address).await?;
                            sender.send_request(unsent).await
                        }
                        None => Err(failed.into_error()),
                    },
                }
            }
        };
        answer.map_err(|error| chain(&error))
    }
}

/// A new connection that speaks HTTP/2.
async fn http2(address: SocketAddr) -> Result<http2::SendRequest<Body>, String> {
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream(address).await?)).await;
    let (sender, driver) = shaken.map_err(|error| chain(&error))?;
    // What goes wrong with a connection is told to its request.
    tokio::spawn(async move { drop(driver.await) });
    Ok(sender)
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::mpsc;
    use std::thread;

    use http_body_util::{BodyExt as _, Empty};
    use hyper::service::service_fn;

    use super::*;

    /// Serves two connections; says goodbye on the first when it is told to, and then says that it has.
    async fn serve(
        listener: std::net::TcpListener,
        goodbye: tokio::sync::oneshot::Receiver<()>,
        said: mpsc::Sender<()>,
    ) {
        listener.set_nonblocking(true).expect("a listener");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
        let accept = async || listener.accept().await.expect("a connection").0;
        let speak = |stream| {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), answer)
        };
        let mut first = std::pin::pin!(speak(accept().await));
        tokio::select! {
            _ = first.as_mut() => panic!("it ended by itself"),
            _ = goodbye => first.as_mut().graceful_shutdown(),
        }
        let _ = first.await;
        said.send(()).expect("somebody listens");
        let _ = speak(accept().await).await;
    }

    #[tokio::test]
    async fn a_request_that_has_not_left_when_the_server_says_goodbye_goes_over_another_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (goodbye, asked) = tokio::sync::oneshot::channel();
        let (said, hears) = mpsc::channel();
        let server = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(listener, asked, said));
        });
        let mut open = Connection::open(address, Version::Http2).await.expect("a connection");
        let body = || Empty::new().boxed_unsync();
        open.send(address, Method::GET, "/", body()).await.expect("an answer");
        goodbye.send(()).expect("it serves");
        // Once this client's own part has answered the goodbye, nothing of this process runs but us.
        let answers = tokio::task::spawn_blocking(move || hears.recv());
        answers.await.expect("no panic").expect("it said goodbye");
        open.send(address, Method::POST, "/", body()).await.expect("an answer over another connection");
        drop(open);
        // Our side of the connection is closed by this thread, which must not wait here.
        let ended = tokio::task::spawn_blocking(|| server.join());
        ended.await.expect("no panic").expect("no panic");
    }
}
