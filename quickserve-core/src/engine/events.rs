//! Events of a run: numbered, and handed on.

use std::sync::Arc;

use crate::clock::Clock;
use crate::event::{Envelope, Observer, Progress};

/// Numbers events and hands them on.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
    last: Arc<std::sync::atomic::AtomicU64>,
}

impl Events {
    pub(crate) fn new(observer: Arc<dyn Observer>, clock: Arc<dyn Clock>) -> Self {
        Self { observer, clock, last: Arc::default() }
    }

    pub(crate) fn emit(&self, progress: Progress) {
        let seq = self.last.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        self.observer.observe(Envelope { v: 1, seq, time: self.clock.now(), progress });
    }
}
