//! The journal under races, faults and torn writes.

mod faults;
mod local;
mod locks;
mod owners;
mod pauses;
mod props;
mod reading;
mod torn;
mod watch;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use object_store::ObjectStore;

use super::faulty::FaultyStore;
use super::*;
use crate::clock::{self, Clock};
use crate::fault::{Fault, FaultPlan, Faults};
use crate::plan::{DeploymentConfig, Goal, Purpose};
use crate::service::ServiceKey;

/// A clock that stands still but for sleeps and [`pass`](Self::pass).
#[derive(Debug)]
struct Hand(Mutex<Timestamp>);

impl Hand {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2025-06-01T12:00:00Z".parse().unwrap())))
    }

    fn pass(&self, seconds: u64) {
        let mut now = self.0.lock().unwrap();
        *now = clock::after(*now, Duration::from_secs(seconds));
    }
}

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        {
            let mut now = self.0.lock().unwrap();
            *now = clock::after(*now, duration);
        }
        tokio::task::yield_now().await;
    }
}

fn key() -> ServiceKey {
    ServiceKey::new("shop", "local").unwrap()
}

async fn journal(store: &Arc<dyn ObjectStore>, clock: &Arc<Hand>, nonce: &str) -> Journal {
    Journal::read(Arc::clone(store), &key(), clock.clone(), nonce).await.unwrap()
}

fn owner(nonce: &str) -> Owner {
    Owner { nonce: nonce.to_owned(), who: format!("{nonce}@laptop"), process: None }
}

fn opened(nonce: &str) -> Opened {
    Opened {
        deployment: DeploymentId("d-20250601-1".to_owned()),
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

fn completed(index: u32) -> Event {
    Event::Completed { index, evidence: None }
}

fn ended() -> Event {
    Event::Ended { outcome: crate::outcome::Outcome::Done, serving: Vec::new(), cause: None }
}

fn abort(by: &str) -> Event {
    Event::AbortRequested { by: by.to_owned(), how: AbortKind::Asked }
}
