//! A client's connection over HTTP/1.1 without TLS, and how little of it is kept while nothing happens.
//!
//! What moves such a connection has a buffer for each direction and a place for a request's way. Most connections
//! have nothing to do most of the time: one that had none for a moment is taken apart, down to its socket, and is put together
//! again when something comes. The moment is short, so that many connections that come at once do not all have
//! buffers at once: what an allocator was given back, it seldom gives back to the system.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::connection::Ends;

/// How soon one looks whether a connection has anything to do, and how seldom while it has.
const NAP: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(1600);

/// For what is on its way to a connection that takes no more requests.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a connection has to do.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// How many requests it has had.
    begun: AtomicUsize,
    /// Bodies that are under way, of requests and of answers.
    under_way: AtomicUsize,
    /// Whether something waits for the client to read.
    blocked: AtomicBool,
}

/// A part of a connection's work, which is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Piece(Arc<Work>);

/// The body of an answer, which its connection works on as long as it lives.
#[derive(Debug)]
pub(super) struct Counted<B> {
    body: B,
    _piece: Piece,
}

/// A client's socket, and what was read from it too early.
#[derive(Debug)]
struct Socket {
    stream: TokioIo<TcpStream>,
    early: Bytes,
    work: Arc<Work>,
}

/// Since when a connection has had nothing to do, as far as is known.
#[derive(Debug, Clone, Copy)]
struct Since {
    /// Which request was its last.
    number: usize,
    at: Instant,
}

/// Why a connection is not moved any further.
enum Next {
    Over,
    Stop,
    Rest,
}

impl Work {
    /// A request has come: until its answer has gone, there is work.
    pub(super) fn request(self: &Arc<Self>) -> Piece {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.piece()
    }

    /// Something else that has to be done first.
    pub(super) fn piece(self: &Arc<Self>) -> Piece {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Piece(Arc::clone(self))
    }

    /// Nothing while there is work; otherwise a number that changes with each request.
    fn rests(&self) -> Option<usize> {
        let rests = self.under_way.load(Ordering::Acquire) == 0 && !self.blocked.load(Ordering::Relaxed);
        rests.then(|| self.begun.load(Ordering::Relaxed))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Release);
    }
}

/// Serves a connection to its end, which is there when it has been idle, or reading a head, for as long as `limit`.
pub(super) async fn serve<S, B>(
    stream: TcpStream,
    work: Arc<Work>,
    limit: Duration,
    builder: http1::Builder,
    service: S,
    ends: Ends,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Unpin,
    B: Body<Data = Bytes, Error = hyper::Error> + 'static,
{
    let mut socket = Socket { stream: TokioIo::new(stream), early: Bytes::new(), work };
    let mut since = None;
    loop {
        // In a box, so that nothing is left of it while the connection rests.
        let rests = Box::pin(converse(socket, &builder, service.clone(), &ends, &mut since)).await;
        let Some(rested) = rests else { return };
        socket = rested;
        let left = limit.saturating_sub(since.map_or(Duration::ZERO, |since: Since| since.at.elapsed()));
        if !socket.early.is_empty() {
            // The head of a request that comes slowly.
            if left.is_zero() {
                return;
            }
            continue;
        }
        tokio::select! {
            something = timeout(left, socket.stream.inner().readable()) => {
                if !matches!(something, Ok(Ok(()))) {
                    return;
                }
            }
            () = ends.stop.cancelled() => return,
        }
        since = None;
    }
}

/// Moves a connection until it ends, or until it has had nothing to do for a while.
async fn converse<S, B>(
    socket: Socket,
    builder: &http1::Builder,
    service: S,
    ends: &Ends,
    since: &mut Option<Since>,
) -> Option<Socket>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Unpin,
    B: Body<Data = Bytes, Error = hyper::Error> + 'static,
{
    let work = Arc::clone(&socket.work);
    let mut connection = builder.serve_connection(socket, service).with_upgrades();
    let mut stop = pin!(ends.stop.cancelled());
    let mut nap = pin!(sleep(NAP));
    let mut pause = NAP;
    let (mut asked, mut before): (Option<Waker>, _) = (None, None);
    let next = poll_fn(|cx| {
        loop {
            if let Poll::Ready(end) = Pin::new(&mut connection).poll(cx) {
                if let Err(error) = end {
                    tracing::debug!(%error, "a client's connection ended");
                }
                return Poll::Ready(Next::Over);
            }
            // Both know whom to wake since they were asked first; asking them at each step would cost each request.
            let known = asked.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if known && !ends.stop.is_cancelled() && !nap.is_elapsed() {
                return Poll::Pending;
            }
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Next::Stop);
            }
            if nap.as_mut().poll(cx).is_pending() {
                asked = Some(cx.waker().clone());
                return Poll::Pending;
            }
            // Seen twice, and the connection was moved in between: what the end of the last piece meant for it has
            // been done.
            let rests = work.rests();
            if rests.is_some() && rests == before {
                return Poll::Ready(Next::Rest);
            }
            let works = rests.is_none() || before.is_some();
            pause = if works { LONGEST.min(2 * pause) } else { NAP };
            let now = Instant::now();
            nap.as_mut().reset(now + pause);
            asked = None;
            *since = rests.map(|number| {
                since.filter(|since| since.number == number).unwrap_or(Since { number, at: now })
            });
            before = rests;
        }
    });
    match next.await {
        Next::Over => None,
        Next::Stop => {
            Pin::new(&mut connection).graceful_shutdown();
            loop {
                tokio::select! {
                    _ = &mut connection => break,
                    () = ends.cut.cancelled() => break,
                    // The beginning of a head, of which the rest may never come.
                    () = sleep(GOODBYE) => if work.rests().is_some() { break },
                }
            }
            None
        }
        Next::Rest => {
            let parts = connection.into_parts()?;
            let mut socket = parts.io;
            // What there was has all been read.
            socket.early = parts.read_buf;
            Some(socket)
        }
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let count = self.early.len().min(into.remaining());
        into.put_slice(&self.early[..count]);
        self.early.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl Socket {
    /// Remembers whether the client reads what it is sent.
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let blocked = written.is_pending();
        if blocked != self.work.blocked.load(Ordering::Relaxed) {
            self.work.blocked.store(blocked, Ordering::Relaxed);
        }
        written
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(written)
    }
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, piece: Piece) -> Self {
        Self { body, _piece: piece }
    }
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
