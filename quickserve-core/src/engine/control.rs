//! How a process asks its own deployment to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::journal::AbortKind;

/// What comes of an abort that is asked for now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InHand {
    /// Nothing is in flight here: the command ends.
    #[default]
    Nothing,
    /// A deployment of another owner is followed: it goes on, and is not followed any longer.
    Another,
    /// A deployment that is taken back.
    Own,
    /// A deployment that is decided or on its way back already: it comes to its end.
    Decided,
}

/// A handle by which signal handlers and embedding programs ask a deployment to stop: it records an abort,
/// then takes itself back.
#[derive(Debug, Clone)]
pub struct Control {
    request: watch::Sender<Option<AbortKind>>,
    pause: Arc<AtomicBool>,
    in_hand: watch::Sender<InHand>,
}

/// While something is in hand.
#[derive(Debug)]
pub(crate) struct Holding(Control);

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.hold(InHand::Nothing);
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { request: watch::Sender::new(None), pause: Arc::default(), in_hand: watch::Sender::default() }
    }
}

impl Control {
    /// Asks for an abort. The first request counts; asking again changes nothing.
    pub fn abort(&self, kind: AbortKind) {
        self.request.send_if_modified(|request| {
            let first = request.is_none();
            request.get_or_insert(kind);
            first
        });
    }

    /// What was asked for, if anything was.
    pub fn requested(&self) -> Option<AbortKind> {
        *self.request.borrow()
    }

    /// What comes of an abort that is asked for now, for whoever tells a person.
    pub fn in_hand(&self) -> InHand {
        *self.in_hand.borrow()
    }

    pub(crate) fn hold(&self, in_hand: InHand) {
        self.in_hand.send_replace(in_hand);
    }

    /// Says so as long as what is returned lives; nothing is in hand after that.
    pub(crate) fn holding(&self, in_hand: InHand) -> Holding {
        self.hold(in_hand);
        Holding(self.clone())
    }

    /// Asks for a pause before traffic is changed for the first time from now on.
    pub fn pause(&self) {
        self.pause.store(true, Ordering::Relaxed);
    }

    /// Whether a pause was asked for since the last time that this was called.
    pub(crate) fn take_pause(&self) -> bool {
        self.pause.swap(false, Ordering::Relaxed)
    }

    /// Sleeps, but not beyond the first request.
    pub(crate) async fn sleep(&self, clock: &dyn Clock, duration: Duration) {
        let mut request = self.request.subscribe();
        if request.borrow_and_update().is_some() {
            return clock.sleep(duration).await;
        }
        tokio::select! {
            () = clock.sleep(duration) => {}
            _ = request.changed() => {}
        }
    }
}
