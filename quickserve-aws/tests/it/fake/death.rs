//! The death of whoever calls: right before a request has its effect, or right after.

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// At which request, counted from 1, the caller dies; and whether it has.
#[derive(Debug)]
pub(crate) struct Death {
    at: Option<(u64, Moment)>,
    requests: u64,
    dead: watch::Sender<bool>,
}

impl Default for Death {
    fn default() -> Self {
        Self { at: None, requests: 0, dead: watch::Sender::new(false) }
    }
}

impl Death {
    pub(crate) fn plan(&mut self, request: u64, moment: Moment) {
        *self = Self { at: Some((request, moment)), ..Self::default() };
    }

    /// Becomes true when the caller is dead.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.dead.subscribe()
    }

    /// Counts a request; whether the caller dies at it. Of a dead one no other request comes.
    pub(super) fn is_due(&mut self) -> Option<Moment> {
        self.requests += 1;
        let (at, moment) = self.at?;
        (self.requests == at).then(|| {
            self.dead.send_replace(true);
            self.at = None;
            moment
        })
    }
}
