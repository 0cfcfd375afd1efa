//! The HTTP/2 connection to a task, which all requests share that go to it over HTTP/2.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::body::Upload;

/// How much of one answer, and of all, a task may send ahead of its readers.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How much of a request's body waits for a task to read it.
const SEND_BUFFER: usize = 64 * 1024;

/// How long the head of an answer may be, in bytes.
const HEAD: u32 = 64 * 1024;

/// The HTTP/2 connection to one task. It sends no pings while nothing happens: gRPC servers take those for
/// abuse, and a task on this machine that dies closes its connections.
#[derive(Debug, Default)]
pub(super) struct Multiplex {
    open: Mutex<Open>,
    /// Held while connecting, so that a burst of requests opens one connection.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Open {
    closed: bool,
    sender: Option<SendRequest<Upload>>,
}

/// A way to the task.
pub(super) struct Lane {
    pub(super) sender: SendRequest<Upload>,
    /// Whether the connection was there before.
    pub(super) reused: bool,
}

impl Multiplex {
    /// The connection, opened where there is none.
    pub(super) async fn lane(&self, address: SocketAddr, limit: Duration) -> io::Result<Lane> {
        if let Some(sender) = self.current() {
            return Ok(Lane { sender, reused: true });
        }
        let open = async {
            let _turn = self.connecting.lock().await;
            if let Some(sender) = self.current() {
                return Ok(Lane { sender, reused: true });
            }
            let sender = connect(address).await?;
            let mut open = self.lock();
            // A task that has left the split answers what it was claimed for, and no more.
            if !open.closed {
                open.sender = Some(sender.clone());
            }
            Ok(Lane { sender, reused: false })
        };
        tokio::time::timeout(limit, open).await?
    }

    /// No new request takes the connection; it ends with the last of those that have.
    pub(super) fn close(&self) {
        let mut open = self.lock();
        open.closed = true;
        open.sender = None;
    }

    /// Keeps connections again.
    pub(super) fn open(&self) {
        self.lock().closed = false;
    }

    fn current(&self) -> Option<SendRequest<Upload>> {
        let mut open = self.lock();
        open.sender.take_if(|sender| sender.is_closed());
        open.sender.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(address: SocketAddr) -> io::Result<SendRequest<Upload>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP/2 connection to a task ended");
        }
    });
    Ok(sender)
}

/// Whether a task has said that it did not process the request (RFC 9113, 8.7): it refused the stream, or it
/// said goodbye and that the last stream it processed was an earlier one.
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    // A stream that a GOAWAY fails is one above the last that it names; others fail later, and otherwise.
    h2.is_some_and(|error| {
        let reason = if error.is_go_away() { h2::Reason::NO_ERROR } else { h2::Reason::REFUSED_STREAM };
        error.is_remote() && error.reason() == Some(reason)
    })
}
