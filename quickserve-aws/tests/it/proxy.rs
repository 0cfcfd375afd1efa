//! A way to a server that loses answers.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// A proxy; it ends with the test's runtime.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    losing: Arc<Mutex<Losing>>,
}

/// How many more answers to requests of a method are lost.
#[derive(Default)]
struct Losing {
    method: String,
    left: u32,
    lost: u32,
}

impl Losing {
    fn loses(&mut self, method: &str) -> bool {
        let loses = self.left > 0 && self.method == method;
        if loses {
            self.left -= 1;
            self.lost += 1;
        }
        loses
    }
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

impl Proxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let losing = Arc::<Mutex<Losing>>::default();
        let proxy = Self { port, losing: losing.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let losing = losing.clone();
                let service = service_fn(move |request| pass(server, losing.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        proxy
    }

    /// The next answers to requests of a method are lost, after the requests had their effect.
    pub(crate) fn lose_answers(&self, method: &str, count: u32) {
        let mut losing = self.losing();
        losing.left = count;
        method.clone_into(&mut losing.method);
    }

    /// How many were lost so far.
    pub(crate) fn lost(&self) -> u32 {
        self.losing().lost
    }

    fn losing(&self) -> MutexGuard<'_, Losing> {
        self.losing.lock().expect("no test panicked meanwhile")
    }
}

async fn pass(
    server: u16,
    losing: Arc<Mutex<Losing>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Lost> {
    let method = request.method().to_string();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let stream = TcpStream::connect(("127.0.0.1", server)).await.map_err(|_| Lost)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Lost)?;
    tokio::spawn(connection);
    let answer = sender.send_request(Request::from_parts(parts, Full::new(body))).await.map_err(|_| Lost)?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    if losing.lock().expect("no test panicked meanwhile").loses(&method) {
        return Err(Lost);
    }
    Ok(Response::from_parts(parts, Full::new(body)))
}
