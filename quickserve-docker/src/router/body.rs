//! The bodies that pass through: streamed, never held back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::access_log::Followed;
use super::idle::Piece;
use super::replay::{Playing, Replay};
use super::traffic::Claim;
use super::wire::Wire;

/// The body of a request on its way to a task.
#[derive(Debug)]
pub(super) struct Upload {
    source: Source,
    ended: Option<Ended>,
    /// How long it may make no progress.
    limit: Option<Duration>,
    /// Runs while the client is waited for.
    pause: Option<Pin<Box<Sleep>>>,
    /// Its part of what the client's connection has to do.
    piece: Option<Piece>,
}

#[derive(Debug)]
enum Source {
    None,
    Once(Incoming),
    Again(Playing),
}

/// Becomes true when the upload has been sent to its end or given up.
#[derive(Debug, Clone)]
pub(super) struct Ended(Arc<AtomicBool>);

impl Ended {
    pub(super) fn get(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Upload {
    pub(super) fn none() -> Self {
        Self { source: Source::None, ended: None, limit: None, pause: None, piece: None }
    }

    pub(super) fn new(incoming: Incoming) -> Self {
        if incoming.is_end_stream() {
            return Self::none();
        }
        Self {
            source: Source::Once(incoming),
            ended: Some(Ended(Arc::default())),
            limit: None,
            pause: None,
            piece: None,
        }
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self.source, Source::None)
    }

    /// Tells later whether it has ended; nothing when there is no body.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.clone()
    }

    /// Ends it when it makes no progress for so long.
    pub(super) fn limit(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// Counts it, as long as it lives, among what the client's connection has to do.
    pub(super) fn counted(&mut self, piece: Piece) {
        self.piece = Some(piece);
    }

    /// Makes it one that can be sent again while little of it has been sent; nothing when there is no body.
    pub(super) fn replayable(&mut self) -> Option<Replay> {
        let Source::Once(incoming) = std::mem::replace(&mut self.source, Source::None) else { return None };
        let replay = Replay::new(incoming, self.piece.take());
        self.source = Source::Again(replay.play()?);
        Some(replay)
    }

    /// A body that is sent again.
    pub(super) fn again(playing: Playing) -> Self {
        Self {
            source: Source::Again(playing),
            ended: Some(Ended(Arc::default())),
            limit: None,
            pause: None,
            piece: None,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { source, limit, pause, .. } = &mut *self;
        let frame = match source {
            Source::None => return Poll::Ready(None),
            Source::Once(incoming) => Pin::new(incoming).poll_frame(cx),
            Source::Again(playing) => playing.poll_frame(cx),
        };
        match (frame, limit) {
            (Poll::Ready(frame), _) => {
                *pause = None;
                Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
            }
            (Poll::Pending, Some(limit)) => {
                let pause = pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(*limit)));
                pause.as_mut().poll(cx).map(|()| Some(Err(io::ErrorKind::TimedOut.into())))
            }
            (Poll::Pending, None) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::None => true,
            Source::Once(incoming) => incoming.is_end_stream(),
            Source::Again(playing) => playing.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::None => SizeHint::with_exact(0),
            Source::Once(incoming) => incoming.size_hint(),
            Source::Again(playing) => playing.size_hint(),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(ended) = &self.ended {
            ended.0.store(true, Relaxed);
        }
    }
}

/// The body of an answer on its way to the client.
#[derive(Debug)]
pub(super) enum Download {
    /// Words of the router's own, or nothing.
    Own(Option<Bytes>),
    /// A task's.
    Task(Flow),
    /// One of these that the access log follows.
    Logged(Box<Followed>),
}

/// A task's answer as it flows.
///
/// The claim on the task ends with it, and so does the loan of the connection: whether the answer came to
/// its end or the client went away.
#[derive(Debug)]
pub(super) struct Flow {
    incoming: Incoming,
    wire: Option<Wire>,
    claim: Option<Claim>,
}

impl Download {
    pub(super) fn none() -> Self {
        Self::Own(None)
    }

    /// Words of the router's own.
    pub(super) fn own(words: impl Into<Bytes>) -> Self {
        Self::Own(Some(words.into()))
    }

    /// A task's answer. `wire` is what moves it, unless something else does.
    pub(super) fn flow(incoming: Incoming, wire: Option<Wire>, claim: Claim) -> Self {
        let mut flow = Flow { incoming, wire, claim: Some(claim) };
        if flow.incoming.is_end_stream() {
            flow.finish();
            return Self::none();
        }
        Self::Task(flow)
    }
}

impl Flow {
    /// Gives back what was borrowed. A connection that is not ready for another request is closed.
    fn finish(&mut self) {
        if let (Some(wire), Some(claim)) = (self.wire.take(), &self.claim) {
            claim.give_back(wire);
        }
        self.claim = None;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        // The connection is moved from here, in the client's own task: no other task has to be woken.
        if let Some(wire) = &mut self.wire {
            wire.drive(cx);
            return Pin::new(&mut self.incoming).poll_frame(cx);
        }
        Poll::Pending
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let flow = match &mut *self {
            Self::Own(words) => return Poll::Ready(words.take().map(|words| Ok(Frame::data(words)))),
            Self::Task(flow) => flow,
            Self::Logged(followed) => return followed.poll_frame(cx),
        };
        let frame = std::task::ready!(flow.poll(cx));
        match &frame {
            // Nothing comes after trailers, and whoever sends them on does not ask again.
            Some(Ok(frame)) if frame.is_data() && !flow.incoming.is_end_stream() => {}
            Some(Ok(_)) | None => {
                if let Some(wire) = &mut flow.wire {
                    wire.drive(cx);
                }
                flow.finish();
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a task broke off its answer");
                flow.wire = None;
                if let Some(claim) = flow.claim.take() {
                    claim.broke_off();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(words) => words.is_none(),
            Self::Task(flow) => flow.incoming.is_end_stream(),
            Self::Logged(followed) => followed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(words) => SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64)),
            Self::Task(flow) => flow.incoming.size_hint(),
            Self::Logged(followed) => followed.size_hint(),
        }
    }
}
