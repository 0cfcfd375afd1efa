//! Clients during a switch: each request is told by when it began, how long it took and what came of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::Result;
use crate::machine::now;

/// What takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);
/// From one answer to the next request of a client, and from one message to the next of a WebSocket.
const PAUSE: Duration = Duration::from_millis(2);
const SILENCE: Duration = Duration::from_millis(50);

/// One request as its client saw it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    pub(crate) outcome: std::result::Result<(), String>,
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Clients {
    runtime: Runtime,
    over: Arc<AtomicBool>,
    requests: Vec<JoinHandle<Vec<Request>>>,
    websockets: Vec<JoinHandle<bool>>,
}

impl Clients {
    /// So many keep-alive connections with one request at a time, and so many WebSockets.
    pub(crate) fn start(address: SocketAddr, connections: usize, websockets: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let over = Arc::new(AtomicBool::new(false));
        let requests =
            (0..connections).map(|_| runtime.spawn(keep_alive(address, Arc::clone(&over)))).collect();
        let websockets = (0..websockets).map(|_| {
            let over = Arc::clone(&over);
            runtime.spawn(async move { converse(address, over).await.is_ok() })
        });
        let websockets = websockets.collect();
        Ok(Self { runtime, over, requests, websockets })
    }

    /// All requests, and how many WebSockets have lived to this moment.
    pub(crate) fn stop(self) -> Result<(Vec<Request>, usize)> {
        self.over.store(true, Ordering::SeqCst);
        self.runtime.block_on(async {
            let (mut all, mut alive) = (Vec::new(), 0);
            for requests in self.requests {
                all.extend(requests.await?);
            }
            for websocket in self.websockets {
                alive += usize::from(websocket.await?);
            }
            Ok((all, alive))
        })
    }
}

async fn keep_alive(address: SocketAddr, over: Arc<AtomicBool>) -> Vec<Request> {
    let (mut connection, mut all) = (None, Vec::new());
    while !over.load(Ordering::SeqCst) {
        let began = now();
        let outcome = timeout(LIMIT, ask(&mut connection, address)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        if outcome.is_err() {
            connection = None;
        }
        all.push(Request { began, took: began.elapsed(), outcome });
        sleep(PAUSE).await;
    }
    all
}

/// One request. Nothing is sent twice; a connection that was closed while it was idle is found so first.
async fn ask(connection: &mut Option<TcpStream>, address: SocketAddr) -> std::result::Result<(), String> {
    let kept = connection.take().filter(is_open);
    let mut stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?,
    };
    let _ = stream.set_nodelay(true);
    let sent = stream.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    sent.map_err(|error| format!("send: {error}"))?;
    let mut answer = Vec::with_capacity(1024);
    loop {
        let count = stream.read_buf(&mut answer).await.map_err(|error| format!("read: {error}"))?;
        if count == 0 {
            return Err(format!("closed after {} bytes", answer.len()));
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(head.lines().next().unwrap_or_default().to_owned());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            if !head.contains("connection: close") {
                *connection = Some(stream);
            }
            return Ok(());
        }
    }
}

/// Whether nothing says that the server has closed it.
fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// A WebSocket whose every message must come back, to the end.
async fn converse(address: SocketAddr, over: Arc<AtomicBool>) -> Result<()> {
    let stream = TcpStream::connect(address).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await?;
    while !over.load(Ordering::SeqCst) {
        socket.send(Message::text("still there?")).await?;
        match timeout(LIMIT, socket.next()).await? {
            Some(Ok(Message::Text(_))) => sleep(SILENCE).await,
            _ => return Err("no echo".into()),
        }
    }
    Ok(())
}
