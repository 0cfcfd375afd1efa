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
        let rests = Box::pin(converse(socket, &builder, service.clone(), &ends, &mut since, limit)).await;
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

/// Moves a connection until it ends, or until it has had nothing to do for a while. One that begins with half a head is
/// kept whole until the rest has come, or its time is up: it would only be put together again.
async fn converse<S, B>(
    socket: Socket,
    builder: &http1::Builder,
    service: S,
    ends: &Ends,
    since: &mut Option<Since>,
    limit: Duration,
) -> Option<Socket>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Unpin,
    B: Body<Data = Bytes, Error = hyper::Error> + 'static,
{
    let work = Arc::clone(&socket.work);
    let half = if socket.early.is_empty() { None } else { work.rests() };
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
            let waits = rests.is_some() && rests == half;
            if rests.is_some() && rests == before && !waits {
                return Poll::Ready(Next::Rest);
            }
            let works = rests.is_none() || before.is_some();
            pause = if works { LONGEST.min(2 * pause) } else { NAP };
            let now = Instant::now();
            *since = rests.map(|number| {
                since.filter(|since| since.number == number).unwrap_or(Since { number, at: now })
            });
            let mut next = pause;
            if waits && let Some(since) = since {
                next = next.min(limit.saturating_sub(now.duration_since(since.at)));
                if next.is_zero() {
                    return Poll::Ready(Next::Over);
                }
            }
            nap.as_mut().reset(now + next);
            asked = None;
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

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use http::StatusCode;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::super::access_log::AccessLog;
    use super::super::answer::plain;
    use super::super::body::Download;
    use super::super::door::Doors;
    use super::super::folder::Folder;
    use super::*;

    /// Answers, and counts how often a connection is put together.
    #[derive(Debug, Default)]
    struct Answers {
        work: Arc<Work>,
        built: Arc<AtomicUsize>,
    }

    impl Clone for Answers {
        fn clone(&self) -> Self {
            self.built.fetch_add(1, Ordering::Relaxed);
            Self { work: Arc::clone(&self.work), built: Arc::clone(&self.built) }
        }
    }

    impl Service<Request<Incoming>> for Answers {
        type Response = Response<Counted<Download>>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn call(&self, _: Request<Incoming>) -> Self::Future {
            let piece = self.work.request();
            ready(Ok(plain(StatusCode::OK, "well").map(|body| Counted::new(body, piece))))
        }
    }

    #[tokio::test]
    async fn half_a_head_is_waited_for_in_one_piece_until_its_time_is_up() {
        const LIMIT: Duration = Duration::from_secs(1);
        let folder = tempfile::TempDir::new().expect("a folder");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        for comes in [false, true] {
            let mut client = TcpStream::connect(address).await.expect("a connection");
            let (stream, _) = listener.accept().await.expect("a connection");
            let doors = Doors::new(AccessLog::new(&Folder::new(folder.path())));
            let ends = Ends {
                stop: CancellationToken::new(),
                cut: CancellationToken::new(),
                leaving: Arc::new(watch::Sender::new(false)),
                tracker: TaskTracker::new(),
                _place: doors.place(&Arc::default(), 1).expect("a place"),
            };
            let answers = Answers::default();
            let (work, built) = (Arc::clone(&answers.work), Arc::clone(&answers.built));
            let mut builder = http1::Builder::new();
            builder.header_read_timeout(None);
            let began = Instant::now();
            let serving = tokio::spawn(serve(stream, work, LIMIT, builder, answers, ends));
            client.write_all(b"GET / HTTP/1.1\r\nho").await.expect("sent");
            sleep(LIMIT * 3 / 4).await;
            // Once for whatever comes, and once with what came too early.
            let built = built.load(Ordering::Relaxed);
            assert!(built <= 2, "{built} times");
            if comes {
                client.write_all(b"st: a\r\n\r\n").await.expect("sent");
            }
            let mut seen = String::new();
            let read = timeout(Duration::from_secs(20), client.read_to_string(&mut seen)).await;
            read.expect("it is closed").expect("in good order");
            assert_eq!(seen.starts_with("HTTP/1.1 200"), comes, "{seen}");
            // With its answer, its time begins anew.
            let least = if comes { LIMIT * 7 / 4 } else { LIMIT };
            assert!(began.elapsed() >= least, "{:?}", began.elapsed());
            serving.await.expect("no panic");
        }
    }
}
