//! Housekeeping: after a deployment that succeeded, what no release needs any more goes.

use std::collections::BTreeSet;
use std::time::Duration;

use super::run::Run;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Progress;
use crate::journal::Event;
use crate::release::{Release, ReleaseId};
use crate::retention::{expired, expired_snapshots};

/// How long one part of it may take: shorter than the lease, which is not renewed meanwhile.
const LIMIT: Duration = Duration::from_secs(20);

impl Run {
    /// Lets go of what the past has left. What does not work is told and tried again by the next deployment:
    /// the release serves, so nothing here is a failure of it.
    pub(super) async fn keep_house(&mut self) {
        for done in [self.prune_releases().await, self.prune_snapshots().await] {
            if let Err(error) = done {
                let message = format!("housekeeping: {}", error.causes().join(": "));
                self.emit(Progress::Warning { message });
            }
        }
    }

    async fn prune_releases(&mut self) -> Result<()> {
        let state = self.journal.state();
        let expired = expired(state, &self.opened.config.retention, self.clock.now());
        if expired.is_empty() {
            return Ok(());
        }
        let releases: Vec<ReleaseId> = expired.difference(&state.pruned).cloned().collect();
        if !releases.is_empty() {
            // Before anything goes: from here on nothing comes back to them, however far the rest gets.
            self.journal.append(Event::Pruned { releases }).await?;
        }
        // Also those of which a former deployment did not get rid.
        let (gone, stay) = self.known(&expired);
        for retainer in &self.parts.retainers {
            self.journal.renew().await?;
            in_time(self.clock.as_ref(), retainer.let_go(&gone, &stay)).await?;
        }
        Ok(())
    }

    async fn prune_snapshots(&mut self) -> Result<()> {
        self.journal.renew().await?;
        let (journal, retention, now) = (&self.journal, &self.opened.config.retention, self.clock.now());
        let removal = async {
            let snapshots = journal.snapshots().await?;
            for number in expired_snapshots(journal.state(), retention, now, &snapshots) {
                journal.remove_snapshot(number).await?;
            }
            Ok(())
        };
        in_time(self.clock.as_ref(), removal).await
    }

    /// All releases that the journal knows: those of a set, and the others.
    fn known(&self, set: &BTreeSet<ReleaseId>) -> (Vec<Release>, Vec<Release>) {
        self.journal.state().releases.values().cloned().partition(|release| set.contains(&release.id))
    }
}

/// Does one part while the lease holds.
async fn in_time(clock: &dyn Clock, part: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        biased;
        done = part => done,
        () = clock.sleep(LIMIT) => {
            let message = format!("it takes longer than {} s", LIMIT.as_secs());
            Err(Error::new(ErrorKind::TimedOut, message))
        }
    }
}
