//! The journal under races, faults and torn writes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use object_store::ObjectStore;

use super::*;
use crate::clock::{self, Clock};
use crate::error::ErrorKind;
use crate::fence::Epoch;
use crate::plan::{DeploymentConfig, Goal, Purpose};
use crate::service::ServiceKey;

/// A clock that stands still but for sleeps and [`pass`](Self::pass).
#[derive(Debug)]
pub(super) struct Hand(Mutex<Timestamp>);

impl Hand {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2025-06-01T12:00:00Z".parse().unwrap())))
    }

    pub(super) fn pass(&self, seconds: u64) {
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

pub(super) fn key() -> ServiceKey {
    ServiceKey::new("shop", "local").unwrap()
}

pub(super) async fn journal(store: &Arc<dyn ObjectStore>, clock: &Arc<Hand>, nonce: &str) -> Journal {
    Journal::read(Arc::clone(store), &key(), clock.clone(), nonce).await.unwrap()
}

pub(super) fn owner(nonce: &str) -> Owner {
    Owner { nonce: nonce.to_owned(), who: format!("{nonce}@laptop"), process: None }
}

pub(super) fn opened(nonce: &str) -> Opened {
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

pub(super) fn completed(index: u32) -> Event {
    Event::Completed { index, evidence: None }
}

pub(super) fn ended() -> Event {
    Event::Ended { outcome: crate::outcome::Outcome::Done, serving: Vec::new(), cause: None }
}

pub(super) fn abort(by: &str) -> Event {
    Event::AbortRequested { by: by.to_owned(), how: AbortKind::Asked }
}

#[tokio::test]
async fn what_is_appended_is_read_by_the_next() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    assert_eq!(ada.open(opened("ada")).await.unwrap(), Epoch(1));
    assert_eq!(ada.append(completed(0)).await.unwrap(), 2);
    let bob = journal(&store, &clock, "bob").await;
    assert_eq!(bob.state(), ada.state());
    assert_eq!(bob.records(0).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_second_deployment_is_told_who_is_busy() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    let mut bob = journal(&store, &clock, "bob").await;
    ada.open(opened("ada")).await.unwrap();
    let error = bob.open(opened("bob")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(
        error.to_string(),
        "deployment d-20250601-1 of shop/local is under way (owner: ada@laptop, since: 2025-06-01T12:00:00Z, \
         step: planning)"
    );
    ada.append(ended()).await.unwrap();
    assert_eq!(bob.open(opened("bob")).await.unwrap(), Epoch(3));
    assert_eq!(ada.append(completed(0)).await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_request_is_folded_in_by_the_owner() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    let mut bob = journal(&store, &clock, "bob").await;
    assert_eq!(bob.request(abort("bob")).await.unwrap(), 2);
    assert_eq!(ada.append(completed(0)).await.unwrap(), 3);
    assert!(ada.state().open.as_ref().unwrap().abort.is_some());
    ada.append(ended()).await.unwrap();
    assert_eq!(bob.request(abort("bob")).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn an_owner_that_wakes_after_a_take_over_is_fenced() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    assert!(ada.lease_valid());
    clock.pass(31);
    assert!(!ada.lease_valid());
    let mut bob = journal(&store, &clock, "bob").await;
    assert_eq!(bob.take_over(owner("bob"), "its lease ended".to_owned()).await.unwrap(), Epoch(2));
    assert_eq!(ada.renew().await.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(!ada.lease_valid());
    assert!(ada.fence(1).not_after < clock.now());
    assert_eq!(ada.append(completed(0)).await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(bob.append(completed(0)).await.unwrap(), 3);
}

async fn write_all(mut journal: Journal, count: u32) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(journal.request(abort("somebody")).await.unwrap());
        tokio::task::yield_now().await;
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_racing_writers_no_record_is_lost_or_doubled() {
    let (store, clock) = (in_memory(), Hand::new());
    journal(&store, &clock, "owner").await.open(opened("owner")).await.unwrap();
    let writers = ["ada", "bob"].map(|nonce| {
        let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
        tokio::spawn(async move { write_all(journal(&store, &clock, nonce).await, 200).await })
    });
    let mut numbers = BTreeSet::new();
    for writer in writers {
        for number in writer.await.unwrap() {
            assert!(numbers.insert(number), "{number} was answered twice");
        }
    }
    assert_eq!(numbers, (2..=401).collect());
    let records = journal(&store, &clock, "reader").await.records(1).await.unwrap();
    let ids: BTreeSet<_> = records.iter().map(|record| &record.id).collect();
    assert_eq!(ids.len(), 401);
}
