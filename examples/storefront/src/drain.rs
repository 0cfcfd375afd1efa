//! Draining: from the first SIGTERM to the last byte of the last answer.
//!
//! It has two steps. *Draining*: not ready, answers carry `connection: close`, new connections are still
//! accepted for `STOREFRONT_DRAIN_DELAY`. *Closing*: nothing new is accepted, idle connections are closed,
//! event streams and web sockets are told to end, and all that is in flight is finished.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

use crate::output;

/// The state of the drain, and the connections that it waits for.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    draining: CancellationToken,
    closing: CancellationToken,
    connections: TaskTracker,
}

impl Drain {
    /// Whether the service is on its way out.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Resolves once nothing new is accepted.
    pub(crate) fn closing(&self) -> WaitForCancellationFuture<'_> {
        self.closing.cancelled()
    }

    /// Runs a connection that a drain waits for.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.connections.spawn(connection);
    }

    /// Stops being ready, and after the delay stops accepting.
    pub(crate) async fn begin(&self, delay: Duration) {
        output::line(&format!("draining: not ready, {} connections open", self.connections.len()));
        self.draining.cancel();
        sleep(delay).await;
        self.closing.cancel();
    }

    /// Waits until every connection is done; says whether all were in time.
    pub(crate) async fn finish(&self, limit: Duration) -> bool {
        self.connections.close();
        if timeout(limit, self.connections.wait()).await.is_ok() {
            output::line("drained: every request is answered");
            true
        } else {
            output::line(&format!(
                "drain gave up after {} s: {} connections cut",
                limit.as_secs(),
                self.connections.len()
            ));
            false
        }
    }
}

/// The signals that end the service.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    deaf: bool,
}

impl Signals {
    /// Listens to SIGTERM, unless deaf to it, and to SIGINT.
    pub(crate) fn listen(deaf: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            deaf,
        })
    }

    /// Waits for a signal that it obeys.
    pub(crate) async fn received(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => if self.deaf {
                    output::line("ignoring SIGTERM (STOREFRONT_FAIL_IGNORE_SIGTERM)");
                } else {
                    output::line("received SIGTERM");
                    return;
                },
                _ = self.interrupt.recv() => {
                    output::line("received SIGINT");
                    return;
                }
            }
        }
    }
}
