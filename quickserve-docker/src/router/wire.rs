//! One connection to a task.
//!
//! A connection is moved by whoever uses it, inside that client's own task, rather than by a task of its own:
//! a request then costs no switch between tasks.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::body::Upload;

/// How long an idle connection is kept, unless the task says how long it keeps it.
const IDLE: Duration = Duration::from_mins(1);

/// An idle connection is closed this long before the task would close it.
const MARGIN: Duration = Duration::from_secs(1);

/// A request that cannot be sent twice takes only connections that were used this recently: one that a task
/// closes at the moment we write to it would cost the request.
pub(super) const IDLE_FOR_UNREPEATABLE: Duration = Duration::from_secs(1);

/// A connection to a task, and what moves it.
pub(super) struct Wire {
    inner: Box<Inner>,
}

struct Inner {
    sender: SendRequest<Upload>,
    /// Gone once the connection is closed.
    driver: Option<Connection<TokioIo<TcpStream>, Upload>>,
    /// The same socket, to look at it.
    socket: OwnedFd,
    /// Wakes whoever waits for an answer. It outlives the exchanges, and is set again only when it has run out:
    /// most never see it.
    watch: Option<Pin<Box<Sleep>>>,
    used: Instant,
    keep: Duration,
    reused: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    Sending(Box<TrySendError<Request<Upload>>>),
    /// The task has the request and took too long.
    Late,
}

impl Wire {
    /// Connects to a task.
    pub(super) async fn connect(address: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = tokio::time::timeout(limit, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let socket = stream.as_fd().try_clone_to_owned()?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let inner = Inner {
            sender,
            driver: Some(driver),
            socket,
            watch: None,
            used: Instant::now(),
            keep: IDLE,
            reused: false,
        };
        Ok(Self { inner: Box::new(inner) })
    }

    /// Moves the connection as far as it goes now.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(driver) = &mut self.inner.driver else { return };
        if let Poll::Ready(end) = Pin::new(driver).poll(cx) {
            if let Err(error) = end {
                tracing::debug!(%error, "a connection to a task ended");
            }
            // A request that still waits in it comes back unsent.
            self.inner.driver = None;
        }
    }

    /// Sends a request and waits for the head of its answer, for `limit` after the request has been sent.
    ///
    /// # Errors
    /// With the request where not a byte of it was sent.
    pub(super) async fn send(
        &mut self,
        request: Request<Upload>,
        limit: Option<Duration>,
    ) -> Result<Response<Incoming>, Failed> {
        let ended = request.body().ended();
        let mut deadline = None;
        let mut answer = pin!(self.inner.sender.try_send_request(request));
        let answer = poll_fn(|cx| {
            if let Some(driver) = &mut self.inner.driver
                && Pin::new(driver).poll(cx).is_ready()
            {
                self.inner.driver = None;
            }
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(|failed| Failed::Sending(Box::new(failed))));
            }
            let Some(limit) = limit else { return Poll::Pending };
            let deadline = deadline.get_or_insert_with(|| Instant::now() + limit);
            let watch = self.inner.watch.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(*deadline)));
            while watch.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                if ended.as_ref().is_some_and(|ended| !ended.get()) {
                    // The client still sends; how long it may take is another matter.
                    *deadline = now + limit;
                }
                if now >= *deadline {
                    return Poll::Ready(Err(Failed::Late));
                }
                watch.as_mut().reset(*deadline);
            }
            Poll::Pending
        });
        let answer = answer.await?;
        self.inner.keep = keep_alive(answer.headers()).unwrap_or(IDLE);
        Ok(answer)
    }

    /// Whether it was used for another request before.
    pub(super) fn is_reused(&self) -> bool {
        self.inner.reused
    }

    /// Readies it for the next request; nothing when it cannot take one.
    pub(super) fn rest(mut self, now: Instant) -> Option<Self> {
        self.inner.used = now;
        self.inner.reused = true;
        (self.inner.driver.is_some() && self.inner.sender.is_ready()).then_some(self)
    }

    /// Whether it has rested too long to be trusted.
    pub(super) fn is_stale(&self, now: Instant, limit: Duration) -> bool {
        now.duration_since(self.inner.used) >= limit.min(self.inner.keep)
    }

    /// Asks the kernel whether the task has closed it, or sent what nobody asked for.
    pub(super) fn is_silent(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let seen = rustix::net::recv(&self.inner.socket, &mut [0_u8; 1][..], flags);
        matches!(seen, Err(rustix::io::Errno::AGAIN))
    }

    /// Lets it move on its own until its exchange is over.
    pub(super) fn let_go(self) {
        let Inner { sender, driver, .. } = *self.inner;
        if let Some(driver) = driver {
            tokio::spawn(async move {
                let _sender = sender;
                let _ = driver.await;
            });
        }
    }

    /// Takes it apart for an exchange that may leave HTTP.
    pub(super) fn into_parts(self) -> (SendRequest<Upload>, Option<Connection<TokioIo<TcpStream>, Upload>>) {
        let Inner { sender, driver, .. } = *self.inner;
        (sender, driver)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("reused", &self.inner.reused).finish_non_exhaustive()
    }
}

/// How long the task keeps the idle connection, if it says so (`Keep-Alive: timeout=5`), less our margin.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = text.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?.parse().ok()?;
    Some(Duration::from_secs(seconds).saturating_sub(MARGIN))
}
