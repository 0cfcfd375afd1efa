//! How a process asks its own deployment to stop.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::journal::AbortKind;

/// A handle by which signal handlers and embedding programs ask a deployment to stop: it records an abort,
/// then takes itself back.
#[derive(Debug, Clone)]
pub struct Control {
    request: watch::Sender<Option<AbortKind>>,
}

impl Default for Control {
    fn default() -> Self {
        Self { request: watch::Sender::new(None) }
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
