//! A request's body that can be sent again while little of it has been sent.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use super::idle::Piece;

/// More of a body than this is not kept.
const KEEP: usize = 64 * 1024;

/// The body of a request, kept as long as sending it again may be right: a stream that its task refused is
/// one that it has not processed, but by then the beginning of the body is on its way.
#[derive(Clone)]
pub(super) struct Replay(Arc<Mutex<Kept>>);

/// The body as it is sent once.
#[derive(Debug)]
pub(super) struct Playing {
    replay: Replay,
    /// How many of the kept frames were sent.
    at: usize,
    /// Which sending it is; an older one gets nothing any more.
    turn: u32,
}

struct Kept {
    incoming: Incoming,
    turn: u32,
    /// What was taken from `incoming`; nothing once it cannot be sent again.
    frames: Option<VecDeque<Part>>,
    bytes: usize,
    _piece: Option<Piece>,
}

#[derive(Clone)]
enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Replay {
    /// Of a body that is a piece of its connection's work, however often it is sent.
    pub(super) fn new(incoming: Incoming, piece: Option<Piece>) -> Self {
        let frames = Some(VecDeque::new());
        Self(Arc::new(Mutex::new(Kept { incoming, turn: 0, frames, bytes: 0, _piece: piece })))
    }

    /// The body from its beginning; nothing when that is gone.
    pub(super) fn play(&self) -> Option<Playing> {
        let mut kept = self.lock();
        if kept.bytes > KEEP {
            return None;
        }
        kept.turn += 1;
        Some(Playing { replay: self.clone(), at: 0, turn: kept.turn })
    }

    /// It will not be sent again.
    pub(super) fn forget(&self) {
        // What it has kept and not sent yet is still to be sent; it goes with the next piece after that.
        self.lock().bytes = KEEP + 1;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Playing {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut kept = self.replay.lock();
        if kept.turn != self.turn {
            return Poll::Ready(None);
        }
        if let Some(piece) = kept.frames.as_ref().and_then(|frames| frames.get(self.at)) {
            let piece = piece.clone();
            self.at += 1;
            return Poll::Ready(Some(Ok(piece.into())));
        }
        let frame = std::task::ready!(Pin::new(&mut kept.incoming).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            kept.keep(frame);
            self.at += 1;
        }
        Poll::Ready(frame)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let kept = self.replay.lock();
        let left = kept.frames.as_ref().is_some_and(|frames| self.at < frames.len());
        kept.turn != self.turn || (!left && kept.incoming.is_end_stream())
    }

    /// Its length where the client said it, and where nothing of it was sent yet.
    pub(super) fn size_hint(&self) -> SizeHint {
        let kept = self.replay.lock();
        if self.at == 0 && kept.bytes == 0 { kept.incoming.size_hint() } else { SizeHint::default() }
    }
}

impl Kept {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        self.bytes = self.bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if self.bytes > KEEP {
            self.frames = None;
            return;
        }
        let part = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Part::Data(data.clone()),
            (_, Some(trailers)) => Part::Trailers(trailers.clone()),
            _ => return,
        };
        self.frames.get_or_insert_default().push_back(part);
    }
}

impl From<Part> for Frame<Bytes> {
    fn from(part: Part) -> Self {
        match part {
            Part::Data(data) => Self::data(data),
            Part::Trailers(trailers) => Self::trailers(trailers),
        }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}
