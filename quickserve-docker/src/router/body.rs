//! The bodies that pass through: streamed, never held back.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::traffic::Claim;
use super::wire::Wire;

/// The body of a request on its way to a task.
#[derive(Debug)]
pub(super) struct Upload {
    incoming: Option<Incoming>,
    ended: Option<Ended>,
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
        Self { incoming: None, ended: None }
    }

    pub(super) fn new(incoming: Incoming) -> Self {
        if incoming.is_end_stream() {
            return Self::none();
        }
        Self { incoming: Some(incoming), ended: Some(Ended(Arc::default())) }
    }

    pub(super) fn is_none(&self) -> bool {
        self.incoming.is_none()
    }

    /// Tells later whether it has ended; nothing when there is no body.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.clone()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
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
        };
        let frame = std::task::ready!(flow.poll(cx));
        match &frame {
            Some(Ok(_)) if !flow.incoming.is_end_stream() => {}
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
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(words) => SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64)),
            Self::Task(flow) => flow.incoming.size_hint(),
        }
    }
}
