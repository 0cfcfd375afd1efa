//! One connection of a client, and the version of HTTP that it speaks.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::activity::Activity;
use super::answer;
use super::body::Download;
use super::door::Place;
use super::headers::Client;
use super::idle::{self, Counted};
use super::options::Limits;
use super::table::Table;
use super::traffic::Wishes;

/// What an HTTP/2 client begins with (RFC 9113, 3.4). No request of HTTP/1.1 has a method that begins so.
const PREFACE: &[u8] = b"PRI";

/// With what TLS begins: a record of its handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// How long that handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the rest of so few bytes may take.
const CRUMB: Duration = Duration::from_millis(5);

/// How many requests one HTTP/2 connection may have open.
const STREAMS: u32 = 250;

/// How much of one request's body, and of all, an HTTP/2 client may send ahead of their tasks.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How much of an answer waits for an HTTP/2 client to read it.
const SEND_BUFFER: usize = 64 * 1024;

/// How often a silent HTTP/2 client is asked whether it is still there, and for how long.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);

/// What ends a connection.
#[derive(Debug)]
pub(super) struct Ends {
    /// No new requests on it.
    pub(super) stop: CancellationToken,
    /// Ends it at once.
    pub(super) cut: CancellationToken,
    /// Whether its client shall connect anew.
    pub(super) leaving: Arc<watch::Sender<bool>>,
    /// Counts the tasks that work for it.
    pub(super) tracker: TaskTracker,
    /// Its place among the open ones, which it has to its end.
    pub(super) _place: Place,
}

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Http1,
    Http2,
    Tls,
}

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    table: Arc<Table>,
    wishes: Arc<Wishes>,
    ends: Ends,
) {
    let _ = stream.set_nodelay(true);
    let limits = &wishes.options.limits;
    give_up_on_the_silent(&stream, limits.download_pause);
    let Ok(ours) = stream.local_addr() else { return };
    // In a box: what is over once the connection serves takes none of its memory.
    let first = Box::pin(async {
        tokio::select! {
            begin = tokio::time::timeout(limits.idle_timeout, begin(&stream)) => begin.ok()?.ok(),
            () = ends.stop.cancelled() => None,
        }
    });
    let Some(begin) = first.await else { return };
    let wants_tls = wishes.options.tls.is_some();
    let client = Arc::new(Client::new(client, ours, wants_tls));
    match begin {
        // In a box is what most connections do without: each is kept as small as it can be.
        _ if wants_tls => Box::pin(serve_secure(stream, begin, client, table, &wishes, ends)).await,
        Begin::Http2 => {
            let service = service(client, table, &ends, true);
            Box::pin(speak_h2(TokioIo::new(stream), service, &wishes, ends)).await;
        }
        Begin::Http1 | Begin::Tls => {
            let mut builder = http1::Builder::new();
            // How long it may take, `idle` looks after.
            builder.header_read_timeout(None).max_header_size(wishes.options.limits.head_bytes);
            let (limit, work) = (wishes.options.limits.idle_timeout, Arc::clone(&client.work));
            let service = service(client, table, &ends, false);
            drop(wishes);
            idle::serve(stream, work, limit, builder, service, ends).await;
        }
    }
}

/// The same where TLS is asked for.
async fn serve_secure(
    stream: TcpStream,
    begin: Begin,
    client: Arc<Client>,
    table: Arc<Table>,
    wishes: &Wishes,
    ends: Ends,
) {
    match (begin, &wishes.secure) {
        (Begin::Tls, Some(_)) => {
            let stream = match tokio::time::timeout(HANDSHAKE, shake_hands(stream, &table)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!("a TLS handshake took too long"),
            };
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let (service, io) = (service(client, table, &ends, is_h2), TokioIo::new(stream));
            if is_h2 {
                return speak_h2(io, service, wishes, ends).await;
            }
            let connection = http1(&wishes.options.limits).serve_connection(io, service).with_upgrades();
            run(connection, &ends, ends.stop.cancelled(), http1::UpgradeableConnection::graceful_shutdown)
                .await;
        }
        (Begin::Http1, _) => {
            let Ok(port) = stream.local_addr().map(|ours| ours.port()) else { return };
            let service = service_fn(move |request| {
                let answer = answer::over_tls(&request, port);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1(&wishes.options.limits).serve_connection(TokioIo::new(stream), service);
            run(connection, &ends, ends.stop.cancelled(), http1::Connection::graceful_shutdown).await;
        }
        // Nothing that such a client would understand, or no certificate.
        (Begin::Http2, _) | (Begin::Tls, None) => {}
    }
}

/// Ends TLS, with the certificate of the service that the client names.
async fn shake_hands(stream: TcpStream, table: &Table) -> io::Result<TlsStream<TcpStream>> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let secure = table.secure(start.client_hello().server_name());
    let secure = secure.ok_or_else(|| io::Error::other("no service there has a certificate"))?;
    start.into_stream(secure.config()).await
}

/// Ends a connection whose client takes nothing of what we send for a time, while the kernel holds it.
fn give_up_on_the_silent(stream: &TcpStream, limit: Duration) {
    #[cfg(target_os = "linux")]
    {
        let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, limit);
}

/// Waits for the first bytes and tells by them what the client speaks, without taking them.
async fn begin(stream: &TcpStream) -> io::Result<Begin> {
    let mut begin = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut begin).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if begin[0] == TLS_HANDSHAKE {
            return Ok(Begin::Tls);
        }
        if begin[..count] != PREFACE[..count] {
            return Ok(Begin::Http1);
        }
        if count == PREFACE.len() {
            return Ok(Begin::Http2);
        }
        // What is there stays readable, so waiting for more is not possible.
        tokio::time::sleep(CRUMB).await;
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper has one clock for reading a head and for an idle connection.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_header_size(limits.head_bytes);
    builder
}

/// Answers the requests of one connection.
fn service(
    client: Arc<Client>,
    table: Arc<Table>,
    ends: &Ends,
    is_h2: bool,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Counted<Download>>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Counted<Download>>, Infallible>> + Send + 'static,
> + Clone
+ Send
+ Unpin
+ 'static {
    let leaving = Arc::clone(&ends.leaving);
    service_fn(move |request| {
        let taker = table.taker(&request).ok_or_else(|| Arc::clone(&table));
        let (client, leaving) = (Arc::clone(&client), Arc::clone(&leaving));
        async move {
            let piece = client.work.request();
            let mut answer = match taker {
                Ok(forwarder) => forwarder.answer(request, &client).await,
                Err(table) => table.turn_away(&request, *leaving.borrow()),
            };
            // RFC 9113, 8.2.2: HTTP/2 knows no such field.
            if !is_h2 && *leaving.borrow() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| Counted::new(body, piece)))
        }
    })
}

async fn speak_h2<I, S>(io: I, service: S, wishes: &Wishes, ends: Ends)
where
    I: Read + Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Counted<Download>>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let activity = Activity::new();
    let head = u32::try_from(wishes.options.limits.head_bytes).unwrap_or(u32::MAX);
    let connection =
        http2::Builder::new(Streams { tracker: ends.tracker.clone(), activity: Arc::clone(&activity) })
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(head)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .serve_connection(io, service);
    let mut leaving = ends.leaving.subscribe();
    let idle = wishes.options.limits.idle_timeout;
    let leave = async {
        tokio::select! {
            () = ends.stop.cancelled() => {}
            () = activity.idle_for(idle) => {}
            // What is under way ends well, and what the client had begun meanwhile it may begin again (RFC 9113, 6.8).
            Ok(_) = leaving.wait_for(|leaving| *leaving) => {}
        }
    };
    tokio::select! {
        () = run(connection, &ends, leave, http2::Connection::graceful_shutdown) => {}
        // A client that does not answer the goodbye.
        () = activity.idle_for(idle + PONG) => {}
    }
}

/// Moves a connection until it ends, or until it has to: it is told so after `goodbye`.
async fn run<C, E>(
    connection: C,
    ends: &Ends,
    goodbye: impl Future<Output = ()>,
    say_goodbye: impl FnOnce(Pin<&mut C>),
) where
    C: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = goodbye => {
            say_goodbye(connection.as_mut());
            tokio::select! {
                ended = connection => ended,
                () = ends.cut.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection ended");
    }
}

/// Runs the streams of an HTTP/2 connection, each a task of its own.
#[derive(Debug, Clone)]
struct Streams {
    tracker: TaskTracker,
    activity: Arc<Activity>,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let busy = self.activity.begin();
        self.tracker.spawn(async move {
            let _busy = busy;
            stream.await;
        });
    }
}
