//! Connections that leave HTTP, such as WebSockets.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::UPGRADE;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::frames::{Frames, going_away, going_away_masked};
use super::traffic::Claim;

/// How much is read at a time.
const CHUNK: usize = 8 * 1024;

/// How long a last word may take to be taken.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the other end may take to close as well.
const LINGER: Duration = Duration::from_secs(5);

/// What a tunnel needs to live as long as it may.
#[derive(Debug, Clone)]
pub(super) struct Tunnels {
    pub(super) tracker: TaskTracker,
    /// Ends all that is left.
    pub(super) cut: CancellationToken,
}

/// One direction of a tunnel.
struct Direction<R, W> {
    from: R,
    to: W,
    /// Where it is a WebSocket's, its frames.
    frames: Option<Frames>,
}

impl Tunnels {
    /// Passes bytes between a client and the task that accepted its upgrade until both have closed. The
    /// claim on the task lasts as long.
    ///
    /// A WebSocket whose task goes away without a word, as one that is stopped after its drain does, or that
    /// the router cuts at its own end, is closed with 1001, "going away", where that falls between two frames.
    pub(super) fn open(&self, client: OnUpgrade, answer: &mut Response<Incoming>, claim: Claim) {
        let protocol = answer.headers().get(UPGRADE);
        let is_websocket = protocol.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let task = hyper::upgrade::on(answer);
        let cut = self.cut.clone();
        self.tracker.spawn(async move {
            let both = tokio::select! {
                both = async { tokio::try_join!(client, task) } => both,
                () = cut.cancelled() => return,
            };
            let (client, task) = match both {
                Ok(both) => both,
                Err(error) => {
                    tracing::debug!(%error, task = %claim.upstream.task, "an upgrade came to nothing");
                    return;
                }
            };
            let (client_reads, client_writes) = tokio::io::split(TokioIo::new(client));
            let (task_reads, task_writes) = tokio::io::split(TokioIo::new(task));
            let frames = || is_websocket.then(Frames::default);
            let mut down = Direction { from: task_reads, to: client_writes, frames: frames() };
            let mut up = Direction { from: client_reads, to: task_writes, frames: frames() };
            tokio::select! {
                () = pass(&mut down, &mut up) => {}
                () = cut.cancelled() => goodbye(&mut down, &mut up).await,
            }
            drop(claim);
        });
    }
}

/// Passes bytes both ways until both ends have closed, or one is gone.
async fn pass<A, B, C, D>(down: &mut Direction<A, B>, up: &mut Direction<C, D>)
where
    A: AsyncRead + Unpin,
    B: AsyncWrite + Unpin,
    C: AsyncRead + Unpin,
    D: AsyncWrite + Unpin,
{
    if down.frames.is_none() {
        // How it ends is between its two ends.
        let _ = tokio::try_join!(down.pass(), up.pass());
        return;
    }
    // A WebSocket has no half that lives on.
    tokio::select! {
        _ = down.copy() => {}
        _ = up.copy() => {}
    }
    goodbye(down, up).await;
    let _ = tokio::time::timeout(LINGER, async { tokio::join!(down.copy(), up.copy()) }).await;
}

/// Tells both ends that the tunnel ends.
async fn goodbye<A, B, C, D>(down: &mut Direction<A, B>, up: &mut Direction<C, D>)
where
    A: AsyncRead + Unpin,
    B: AsyncWrite + Unpin,
    C: AsyncRead + Unpin,
    D: AsyncWrite + Unpin,
{
    tokio::join!(down.close(going_away()), up.close(going_away_masked()));
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Direction<R, W> {
    /// Passes what comes until its end, and then that nothing follows.
    async fn pass(&mut self) -> io::Result<()> {
        self.copy().await?;
        self.to.shutdown().await
    }

    async fn copy(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = self.from.read(&mut chunk).await?;
            if count == 0 {
                return Ok(());
            }
            if let Some(frames) = &mut self.frames {
                frames.feed(&chunk[..count]);
            }
            self.to.write_all(&chunk[..count]).await?;
        }
    }

    /// Says goodbye where that is possible, and that nothing follows.
    async fn close(&mut self, goodbye: Bytes) {
        let farewell = async {
            if self.frames.as_ref().is_some_and(Frames::may_close) {
                self.to.write_all(&goodbye).await?;
            }
            self.to.shutdown().await
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}
