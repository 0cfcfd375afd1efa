//! Tasks that answer, a router in a folder of its own, and a client that keeps its connection.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use quickserve_core::Result;
use quickserve_core::fence::{Epoch, Fence};
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::{Role, Route, Split, SplitVersion, TrafficRouter as _, Upstream};
use quickserve_core::workload::Protocol;
use quickserve_docker::router::{
    ListenSpec, Listening, Options, RouterClient, RouterControl, RouterSettings, run,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed()
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// A body that is what is sent through the channel, as it is sent.
pub(crate) fn channel() -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames =
        futures_util::stream::unfold(receiver, |mut receiver: mpsc::UnboundedReceiver<Bytes>| async {
            let bytes = receiver.recv().await?;
            Some((Ok::<_, hyper::Error>(Frame::data(bytes)), receiver))
        });
    (sender, BoxBody::new(StreamBody::new(frames)))
}

pub(crate) fn key() -> ServiceKey {
    named("storefront")
}

pub(crate) fn named(service: &str) -> ServiceKey {
    ServiceKey::new(service, "local").expect("a service's name")
}

pub(crate) fn fence(epoch: u64) -> Fence {
    Fence { epoch: Epoch(epoch), op: 0, not_after: Timestamp::MAX }
}

/// A release's name made of one hexadecimal digit.
pub(crate) fn release(digit: char) -> ReleaseId {
    format!("r-{}", digit.to_string().repeat(12)).parse().expect("a release's name")
}

/// A route to tasks that speak HTTP/2.
pub(crate) fn route_h2(digit: char, role: Role, tasks: &[SocketAddr]) -> Route {
    Route { protocol: Protocol::H2c, ..route(digit, role, tasks) }
}

/// A route to tasks that are named by their addresses.
pub(crate) fn route(digit: char, role: Role, tasks: &[SocketAddr]) -> Route {
    let upstreams = tasks
        .iter()
        .map(|address| Upstream { task: TaskId(address.to_string()), address: *address })
        .collect();
    Route { release: release(digit), role, protocol: Protocol::Http1, upstreams }
}

pub(crate) fn split(routes: impl Into<Vec<Route>>) -> Split {
    Split { routes: routes.into() }
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[derive(Clone, Copy)]
enum Speaks {
    Http1,
    Http2,
}

/// A task's server. It ends when dropped.
pub(crate) struct Task {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU64>,
    pub(crate) connections: Arc<AtomicU64>,
    /// Lets one waiting `/wait` request answer for each permit.
    pub(crate) gate: Arc<Semaphore>,
    server: JoinHandle<()>,
}

impl Task {
    /// One that answers every request with its name, and some paths in a special way.
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::start_on(name, listener().await)
    }

    pub(crate) fn start_on(name: &'static str, listener: TcpListener) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let waiting = Arc::clone(&gate);
        Self::serve(listener, gate, Speaks::Http1, move |request| {
            let gate = Arc::clone(&waiting);
            async move { app(name, &gate, request).await }
        })
    }

    /// The same, over HTTP/2.
    pub(crate) async fn start_h2(name: &'static str) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let waiting = Arc::clone(&gate);
        Self::serve(listener().await, gate, Speaks::Http2, move |request| {
            let gate = Arc::clone(&waiting);
            async move { app(name, &gate, request).await }
        })
    }

    /// One that answers as it is told to.
    pub(crate) async fn custom<F>(app: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::serve(listener().await, Arc::new(Semaphore::new(0)), Speaks::Http1, app)
    }

    /// The same, over HTTP/2.
    pub(crate) async fn custom_h2<F>(app: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::serve(listener().await, Arc::new(Semaphore::new(0)), Speaks::Http2, app)
    }

    fn serve<F>(
        listener: TcpListener,
        gate: Arc<Semaphore>,
        speaks: Speaks,
        app: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let address = listener.local_addr().expect("an address");
        let (requests, connections) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (seen, opened) = (Arc::clone(&requests), Arc::clone(&connections));
        let server = tokio::spawn(async move {
            // Connections end with the server, as those of a killed process do.
            let mut alive = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                opened.fetch_add(1, SeqCst);
                let (app, seen) = (app.clone(), Arc::clone(&seen));
                alive.spawn(async move {
                    let service = service_fn(move |request| {
                        seen.fetch_add(1, SeqCst);
                        let answer = app(request);
                        async move { Ok::<_, Infallible>(answer.await) }
                    });
                    let io = TokioIo::new(stream);
                    let _ = match speaks {
                        Speaks::Http1 => {
                            let server = hyper::server::conn::http1::Builder::new();
                            server.serve_connection(io, service).with_upgrades().await
                        }
                        Speaks::Http2 => {
                            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                            server.serve_connection(io, service).await
                        }
                    };
                });
            }
        });
        Self { address, requests, connections, gate, server }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(SeqCst)
    }

    /// Ends it and waits until its port refuses.
    pub(crate) async fn kill(mut self) -> SocketAddr {
        self.server.abort();
        let _ = (&mut self.server).await;
        self.address
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn app(name: &'static str, gate: &Semaphore, request: Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/wait" => {
            gate.acquire().await.expect("the gate").forget();
            Response::new(full(name))
        }
        "/echo" => Response::new(request.into_body().boxed()),
        "/headers" => {
            let lines: Vec<String> = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}\n", value.to_str().expect("text")))
                .collect();
            Response::new(full(lines.concat()))
        }
        "/500" => {
            let mut answer = Response::new(full(name));
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            answer
        }
        _ => Response::new(full(name)),
    }
}

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener")
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    listener().await.local_addr().expect("an address")
}

/// A router in a folder of its own.
pub(crate) struct Router {
    pub(crate) folder: Arc<TempDir>,
    pub(crate) dir: PathBuf,
    pub(crate) control: RouterControl,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<()>>,
}

impl Router {
    pub(crate) async fn start() -> Self {
        Self::start_in(Arc::new(TempDir::new().expect("a folder")), "router").await
    }

    /// One with other settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut RouterSettings)) -> Self {
        Self::start_as(Arc::new(TempDir::new().expect("a folder")), "router", change).await
    }

    pub(crate) async fn start_in(folder: Arc<TempDir>, name: &str) -> Self {
        Self::start_as(folder, name, |_| {}).await
    }

    async fn start_as(folder: Arc<TempDir>, name: &str, change: impl FnOnce(&mut RouterSettings)) -> Self {
        let dir = folder.path().join(name);
        let control = RouterControl::new(&dir);
        let (stop, stopped) = oneshot::channel::<()>();
        let mut settings = RouterSettings::new(&dir);
        settings.grace = Duration::from_secs(5);
        change(&mut settings);
        let running = tokio::spawn(run(settings, async {
            let _ = stopped.await;
        }));
        eventually("the router answers", || async {
            assert!(!running.is_finished(), "the router ended");
            control.status().await.is_ok()
        })
        .await;
        Self { folder, dir, control, stop: Some(stop), running }
    }

    /// Its client for the one service of most tests.
    pub(crate) fn client(&self) -> RouterClient {
        self.control.service(key())
    }

    /// Makes it listen for the service on ports of its choice.
    pub(crate) async fn listen(&self) -> Listening {
        let spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
        self.client().configure(&fence(1), &spec).await.expect("it listens")
    }

    /// Makes it listen with what a service may ask for beside.
    pub(crate) async fn listen_with(&self, ask: impl FnOnce(&mut Options)) -> Listening {
        let mut spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
        ask(&mut spec.options);
        self.client().configure(&fence(1), &spec).await.expect("it listens")
    }

    /// Sets the split, whatever it was.
    pub(crate) async fn route(&self, routes: impl Into<Vec<Route>>) -> SplitVersion {
        let client = self.client();
        let (_, version) = client.split().await.expect("the split");
        client.set(&fence(1), version, &split(routes)).await.expect("the split is set")
    }

    /// Ends it as a kill would: nothing is finished and nothing is written.
    pub(crate) async fn kill(self) -> Arc<TempDir> {
        self.running.abort();
        let _ = self.running.await;
        self.folder
    }

    /// Ends it gracefully.
    pub(crate) async fn stop(mut self) -> (Arc<TempDir>, Result<()>) {
        drop(self.stop.take());
        (self.folder, self.running.await.expect("no panic"))
    }

    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }
}

/// A client with one connection that it keeps.
pub(crate) struct Client {
    sender: SendRequest<Body>,
}

pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the router takes connections");
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        Self { sender }
    }

    pub(crate) async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    pub(crate) async fn try_get(&mut self, path: &str) -> hyper::Result<Seen> {
        let answer = self.send(request(Method::GET, path, empty())).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Ok(Seen { status: parts.status, headers: parts.headers, body })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Seen {
        self.try_get(path).await.expect("an answer")
    }
}

pub(crate) fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(path).header("host", "shop.example").body(body).expect("a request")
}

/// One GET over a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Seen {
    Client::connect(address).await.get(path).await
}

/// One request over a connection of its own.
pub(crate) async fn send(address: SocketAddr, request: Request<Body>) -> Seen {
    let answer = Client::connect(address).await.send(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.expect("the whole body").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("text");
    Seen { status: parts.status, headers: parts.headers, body }
}

/// The next piece of a body.
pub(crate) async fn piece(body: &mut Incoming) -> String {
    let frame = body.frame().await.expect("more").expect("no failure");
    String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text")
}

/// Reads a message from a socket until it holds `end`.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    use tokio::io::AsyncReadExt as _;
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains(end) {
        let count = stream.read(&mut buffer).await.expect("no failure");
        assert!(count > 0, "ended before {end:?}: {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(seen).expect("text")
}

/// The rest of a stream, as one would collect it.
pub(crate) async fn rest(body: Incoming) -> String {
    let pieces: Vec<_> =
        http_body_util::BodyDataStream::new(body).map(|piece| piece.expect("data")).collect().await;
    String::from_utf8(pieces.concat()).expect("text")
}
