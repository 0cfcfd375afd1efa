//! A service whose deployments are written down, and those who write.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::journal::{AbortKind, Act, DeploymentId, Event, Journal, Opened, Owner};
use crate::memory::MemoryClock;
use crate::outcome::Outcome;
use crate::plan::{DeploymentConfig, Goal, Purpose};
use crate::service::ServiceKey;

/// The journal as the process of this name reads it.
pub(super) async fn read(
    store: Arc<dyn ObjectStore>,
    clock: &Arc<MemoryClock>,
    nonce: &str,
) -> crate::Result<Journal> {
    Journal::read(store, &ServiceKey::new("shop", "production")?, clock.clone(), nonce).await
}

pub(super) fn owner(nonce: &str) -> Owner {
    Owner { nonce: nonce.to_owned(), who: format!("{nonce}@runner"), process: None }
}

pub(super) fn opened(nonce: &str) -> Opened {
    Opened {
        deployment: DeploymentId("d-20260101-1".to_owned()),
        act: Act::Down,
        owner: owner(nonce),
        needs: "0.1.0".to_owned(),
        goal: Goal::Nothing,
        purpose: Purpose::Restore,
        release: None,
        fallback: None,
        config: DeploymentConfig::default(),
    }
}

pub(super) fn completed(index: u32) -> Event {
    Event::Completed { index, evidence: None }
}

pub(super) fn ended() -> Event {
    Event::Ended { outcome: Outcome::Done, serving: Vec::new(), cause: None }
}

pub(super) fn abort(by: &str) -> Event {
    Event::AbortRequested { by: by.to_owned(), how: AbortKind::Asked }
}
