//! Whether anything happens on an HTTP/2 connection: hyper closes idle ones of HTTP/1.1 only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// The streams of a connection, as far as they tell whether it is idle.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    open: AtomicUsize,
    /// When the last stream ended, in milliseconds since it began.
    ended: AtomicU64,
}

/// A stream that is open until this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), open: AtomicUsize::new(0), ended: AtomicU64::new(0) })
    }

    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.open.fetch_add(1, Relaxed);
        Busy(Arc::clone(self))
    }

    /// Waits until there has been no stream for so long. It costs a stream nothing but two numbers: one timer for
    /// the connection looks at them when it has run out.
    pub(super) async fn idle_for(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let idle_since = match self.open.load(Relaxed) {
                0 => self.began + Duration::from_millis(self.ended.load(Relaxed)),
                _ => now,
            };
            if now >= idle_since + limit {
                return;
            }
            tokio::time::sleep_until(idle_since + limit).await;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Activity { began, open, ended } = &*self.0;
        ended.store(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX / 2), Relaxed);
        open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_idle_so_long_after_the_end_of_the_last_stream() {
        let (activity, start) = (Activity::new(), Instant::now());
        let seconds = Duration::from_secs;
        let busy = activity.begin();
        let waits = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.idle_for(seconds(10)).await }
        });
        tokio::time::sleep(seconds(33)).await;
        assert!(!waits.is_finished());
        drop(busy);
        waits.await.expect("it is idle");
        assert_eq!(start.elapsed().as_secs(), 43);
    }
}
