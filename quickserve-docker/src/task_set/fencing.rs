//! Refusing an owner that was taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quickserve_core::clock::Clock;
use quickserve_core::fence::Fence;
use quickserve_core::{Error, ErrorKind, Result};

use crate::engine::Listed;
use crate::names;

/// What refuses an owner that was taken over.
///
/// An engine's calls carry no condition, so there are two nets: a call is refused when a container of the
/// service carries a higher epoch, or this process has seen one, and when the owner's confirmed lease has
/// ended. What slips through both is an owner suspended between looking and acting, less than one call
/// long: it can leave one container of an old epoch, which its successor sees in every answer, routes
/// nothing to, and sweeps.
#[derive(Debug)]
pub(crate) struct Fences {
    clock: Arc<dyn Clock>,
    highest: AtomicU64,
}

impl Fences {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, highest: AtomicU64::new(0) }
    }

    /// Refuses a fence whose lease has ended, and one below an epoch that was seen.
    pub(crate) fn admit(&self, fence: &Fence) -> Result<()> {
        let highest = self.highest.fetch_max(fence.epoch.0, Ordering::Relaxed).max(fence.epoch.0);
        if highest > fence.epoch.0 {
            let message = format!("act as owner {}: owner {highest} has taken over", fence.epoch);
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        if self.clock.now() > fence.not_after {
            let message = format!("act as owner {}: its lease ended at {}", fence.epoch, fence.not_after);
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        Ok(())
    }

    /// Refuses a fence below an epoch that a container carries.
    pub(crate) fn admit_beside(&self, fence: &Fence, containers: &[Listed]) -> Result<()> {
        let epochs = containers.iter().filter_map(|container| container.labels.get(names::EPOCH)?.parse().ok());
        if let Some(highest) = epochs.max() {
            self.highest.fetch_max(highest, Ordering::Relaxed);
        }
        self.admit(fence)
    }
}
